import { request } from './client'
import type { components, operations } from './schema'

export type ImportReport = components['schemas']['ImportReport']
export type OnConflict = NonNullable<
  NonNullable<operations['import']['parameters']['query']>['on_conflict']
>

const exportPath = (prefix: string) =>
  `${location.origin}/export?${new URLSearchParams({ prefix })}`

/** Throws why an export could not begin. */
export async function checkExport(prefix: string, signal: AbortSignal): Promise<void> {
  await request(exportPath(prefix), { method: 'HEAD', signal })
}

/** All entries of a prefix as lines. The body fails if the service breaks off before its end. */
export async function exportLines(
  prefix: string,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const response = await request(exportPath(prefix), { signal })
  return response.body ?? new Blob().stream()
}

export async function importLines(
  lines: Uint8Array<ArrayBuffer>,
  query: { prefix: string; on_conflict: OnConflict },
  signal: AbortSignal,
): Promise<ImportReport> {
  const response = await request(`${location.origin}/import?${new URLSearchParams(query)}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: lines,
    signal,
  })
  return (await response.json()) as ImportReport
}
