import { createController, jsonLogger } from "fairlead";
import { httpDirectory, noDirectory } from "./directory.ts";
import { webapps } from "./webapp.ts";

const { DIRECTORY_URL: address } = process.env;
const operator = createController({
  controllers: [webapps(address === undefined ? noDirectory : httpDirectory(address))],
  log: jsonLogger("info", (line) => process.stdout.write(line)),
  status: { host: "0.0.0.0", port: 8080 },
});

for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => void operator.stop());
}
await operator.start();
