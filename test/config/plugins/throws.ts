/** A module that fails while it is loaded, for tests of configurations. */
throw new Error("no good today");
