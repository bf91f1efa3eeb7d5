/** For tests: a task of a plugin. */
// biome-ignore lint/style/noDefaultExport: the task's function
export default (input: unknown): unknown => {
  if (input === "throw") {
    throw Object.assign(new Error("task told to throw"), { code: "TEST_TASK" });
  }
  if (input === "spin") {
    for (;;) {
      // Until terminated.
    }
  }
  return input instanceof ArrayBuffer ? input.byteLength : { got: input };
};
