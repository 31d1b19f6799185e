/** Whether the sources are present and newer than the build. */
export function needsBuild(): boolean;
