import type { Task } from "writ";

/** Reports which variables it has, and of secrets only that they can be read: `env` does not list them. */
export default (({ env, task }) => ({
  declared: task.env.map(({ name, source }) => `${name} (${source})`),
  listed: Object.keys(env),
  lengths: {
    DB_PASS: env.DB_PASS.length,
    API_KEY: env.API_KEY.length,
    FROM_URI: env.FROM_URI.length,
    FROM_PROVIDER: env.FROM_PROVIDER.length,
    REGION_KEY: env.REGION_KEY.length,
  },
  plain: { RENAMED: env.RENAMED, LOG_LEVEL: env.LOG_LEVEL },
  empty: env.EMPTY_IF_MISSING === "",
  gone: !("GONE_IF_MISSING" in env),
})) satisfies Task;
