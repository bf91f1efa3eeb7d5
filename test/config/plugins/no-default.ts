/** A module without a default export, for tests of configurations. */
export const plugin = { name: "no-default", apiVersion: "fairlead/v1", setup() {} };
