import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { removeRunFolder } from "./leftovers.ts";
import { isRunning } from "./processes.ts";
import type { SupervisorNotice, SupervisorRequest } from "./supervisor-messages.ts";

// A process of its own between a test and the components of its cluster. The channel to the test closes however the test
// ends, SIGKILL included; then all components are killed and their folder is removed.

const SETPRIV = "/usr/bin/setpriv";
const LOOK_MS = 20;
const folder = process.argv[2];
const children = new Map<string, ChildProcess>();
let nodePid: number | undefined;
let ending = false;

function tell(notice: SupervisorNotice): void {
  if (process.connected) {
    process.send?.(notice);
  }
}

function start(name: string, command: string, args: readonly string[], logPath: string): void {
  const log = openSync(logPath, "a");
  // Should this process itself be killed, the kernel ends the components where it can be asked to.
  const guarded = existsSync(SETPRIV) ? [SETPRIV, "--pdeathsig", "KILL", "--", command, ...args] : [command, ...args];
  const child = spawn(guarded[0], guarded.slice(1), { stdio: ["ignore", log, log] });
  closeSync(log);
  const gone = (reason: string): void => {
    if (children.get(name) === child) {
      children.delete(name);
      tell({ kind: "exited", name, reason });
      endIfDone();
    }
  };
  children.set(name, child);
  child.on("error", (error) => gone(error.message));
  child.on("exit", (code, signal) => gone(signal ?? `exit code ${code}`));
  if (child.pid !== undefined) {
    tell({ kind: "spawned", name, pid: child.pid });
  }
}

function end(): void {
  if (ending) {
    return;
  }
  ending = true;
  for (const child of children.values()) {
    child.kill("SIGKILL");
  }
  endIfDone();
}

function endIfDone(): void {
  if (!ending || children.size > 0) {
    return;
  }
  if (nodePid !== undefined && isRunning(nodePid)) {
    setTimeout(endIfDone, LOOK_MS); // Not a child of ours: it cannot be waited for.
    return;
  }
  nodePid = undefined;
  void removeRunFolder(folder).then(() => {
    tell({ kind: "ended" });
    process.exit(0);
  });
}

// The type of what arrives is ours: only this cluster's own process holds the channel.
process.on("message", (message) => {
  const request = message as SupervisorRequest;
  switch (request.kind) {
    case "spawn":
      start(request.name, request.command, request.args, request.logPath);
      break;
    case "node":
      nodePid = request.firstPid;
      break;
    case "signal":
      children.get(request.name)?.kill(request.signal);
      break;
    case "end":
      end();
      break;
  }
});
process.on("disconnect", end);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, end);
}
