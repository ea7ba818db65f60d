/** The test kit: runs a task in the real sandbox, with a vault, a store and an environment of its own. */
export { runTask, type RunTaskOptions, type TestRun } from "./run-task.ts";
