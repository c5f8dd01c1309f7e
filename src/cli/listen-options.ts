import type { Binding, Config } from "../server/index.ts";
import type { Setting } from "./command.ts";

const HOST_DEFAULT = "127.0.0.1";
const PORT_DEFAULT = 7717;

/** `--host` and `--port`, as given. */
export type ListenOptions = { readonly host?: string; readonly port?: number };

/** Where the API is to listen: the options, then the configuration, then 127.0.0.1:7717. */
export function bindingOf(options: ListenOptions, config: Config, setting: Pick<Setting, "env">): Binding {
  const token = setting.env["FACTOTUM_TOKEN"];
  return {
    host: options.host ?? HOST_DEFAULT,
    port: options.port ?? config.port ?? PORT_DEFAULT,
    ...(token !== undefined && token !== "" && { token }),
  };
}
