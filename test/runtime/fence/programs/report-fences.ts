/** Prints what `probeFences()` finds for whoever runs this. */
import { probeFences, strongestFence } from "../../../../runtime/host/fence/probe.ts";

process.stdout.write(JSON.stringify({ report: await probeFences(), strongest: await strongestFence() }));
