import type { Task } from "writ";

export default (({ params, log, run }) => {
  for (let time = 1; time <= params.times; time++) log.info(`hello ${params.name}`);
  return { greeted: params.name, attempt: run.attempt };
}) satisfies Task;
