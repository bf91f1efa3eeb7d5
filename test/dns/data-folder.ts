/** The folder of the data files, which lie beside the sources also when the code was compiled into dist/. */
export const dataFolder = new URL(import.meta.url.endsWith(".ts") ? "./" : "../../../test/dns/", import.meta.url);
