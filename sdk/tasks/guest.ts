/** `writ.run_task`, `list_tasks` and `get_runs`, as far as they act: the daemon judges every id. */
import type { Call } from "../../runtime/guest/ops.ts";

export function makeTasks(call: Call): object {
  return {
    run_task: (task: string, params: unknown = {}) => call("tasks.run", { task, params }),
    list_tasks: () => call("tasks.list", {}),
    get_runs: (task: string, options: { limit?: number } = {}) => call("tasks.runs", { task, ...options }),
  };
}
