/** A plugin for a contract that does not exist yet, for tests of configurations. */
export default { name: "newer", apiVersion: "fairlead/v2", setup() {} };
