/** What a verb is, and what it is handed. */
import type { Args, Usage } from "./args.ts";
import type { Terminal } from "./terminal.ts";
import type { World } from "./world.ts";

export interface Context {
  readonly world: World;
  readonly terminal: Terminal;
  /** The working folder after `-C`. */
  readonly cwd: string;
  /** What `--config` names, as given. */
  readonly configFile: string | undefined;
}

export interface Command extends Usage {
  /** Answers the exit code. Throws AppError for what somebody can mend. */
  run(args: Args, context: Context): Promise<number>;
}
