/** Which tasks a stored secret is for, from their manifests. */
import { AppError } from "../base/error.ts";
import type { Daemon, LoadedTask } from "./project.ts";

interface Named {
  readonly key: string;
  readonly scope: string;
}

/** For each secret the ids of the tasks whose `env` names it; a task that does not load names nothing. */
export async function secretUsers(
  daemon: Daemon,
  stored: readonly Named[],
): Promise<readonly (readonly string[])[]> {
  const tasks: LoadedTask[] = [];
  for (const place of await daemon.tasks.list()) {
    try {
      tasks.push(await daemon.tasks.load(place));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  const has = (scope: string, key: string): boolean =>
    stored.some((secret) => secret.scope === scope && secret.key === key);
  return stored.map(({ key, scope }) =>
    tasks
      .filter(({ manifest: { workspace, permissions } }) => {
        const own = workspace !== undefined && has(workspace, key) ? workspace : "global";
        return own === scope && permissions.env.some(({ source }) => localKey(source) === key);
      })
      .map(({ id }) => id),
  );
}

/** The key an entry asks the vault for, if it does. */
function localKey(
  source: LoadedTask["manifest"]["permissions"]["env"][number]["source"],
): string | undefined {
  if (source.kind === "secret") return source.key;
  return source.kind === "provider" && source.provider === "local" ? source.key : undefined;
}
