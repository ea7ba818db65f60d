/** The project a command works on, and the daemon behind it in this process. */
import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import type { Config } from "../server/config.ts";
import type { Daemon } from "../server/daemon.ts";
import type { Context } from "./command.ts";

export type { Daemon };
export type RunRecord = Awaited<ReturnType<Daemon["run"]>>;
export type TaskPlace = Awaited<ReturnType<Daemon["tasks"]["find"]>>;
export type LoadedTask = Awaited<ReturnType<Daemon["tasks"]["load"]>>;

/**
 * The configuration in force. A task's folder that stands in no project is run with every default, and `task` names
 * it; for everything else a project must be there.
 */
async function findProject({ world, cwd, configFile }: Context, task: string | undefined): Promise<Config> {
  const { bareConfig, findConfig, loadConfig } = await import("../server/config.ts");
  const source = { cwd, env: world.env, explicit: configFile };
  const folder = task === undefined || task.includes("\0") ? undefined : resolve(cwd, task);
  if (folder !== undefined && existsSync(join(folder, "task.yaml")) && findConfig(source) === undefined) {
    return bareConfig(dirname(folder), world.env);
  }
  return loadConfig(source);
}

export interface Project extends AsyncDisposable {
  readonly config: Config;
  readonly daemon: Daemon;
}

/** Opens nothing yet: the daemon makes and reads what a command asks of it, when it asks. */
export async function openProject(context: Context, task?: string): Promise<Project> {
  const config = await findProject(context, task);
  const { Daemon } = await import("../server/daemon.ts");
  const { env, home } = context.world;
  const daemon = new Daemon({
    config,
    env: { ...env },
    home,
    clock: systemClock,
    onNewKey: (path) => {
      context.terminal.warn(
        `made the master key of this project: ${path}\n` +
          "back it up, apart from the data: without it the stored secrets can not be read by anybody",
      );
    },
    onWarning: (text) => context.terminal.warn(text),
  });
  return { config, daemon, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}

/** Who acts, as records and the audit name it. */
export function actor(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    // A user without an entry in the system's list, as in many containers.
    return `cli:${process.getuid?.() ?? "unknown"}`;
  }
}
