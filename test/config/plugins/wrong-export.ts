/** Not a plugin, for tests of configurations. */
export default { name: "Wrong Export", apiVersion: "fairlead/v1", setup: "later" };
