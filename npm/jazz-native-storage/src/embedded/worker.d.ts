/** What `embed.mjs` makes of the worker and the WebAssembly module, to stand here: each packed by gzip, in base64. */
export declare const script: string;
export declare const module: string;
