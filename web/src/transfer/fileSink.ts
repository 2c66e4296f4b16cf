import { saveFile } from './saveFile'

/** Where a file is written to, piece by piece. Nothing is left of one that is aborted. */
export interface FileSink {
  write(piece: Uint8Array<ArrayBuffer>): Promise<void>
  close(): Promise<void>
  abort(): Promise<void>
}

/** Pieces that wait in memory are put into one blob at this size, which browsers keep on disk. */
const BLOB_BYTES = 8 << 20
const TYPE = 'application/x-ndjson'

/**
 * A new file: where the person chooses, or in the folder of downloads if the browser has no such dialog. Throws an
 * `AbortError` if the person chooses none.
 */
export async function openFile(name: string): Promise<FileSink> {
  if (window.showSaveFilePicker === undefined) return new Download(name)
  const handle = await window.showSaveFilePicker({
    suggestedName: name,
    types: [{ accept: { [TYPE]: ['.ndjson', '.jsonl'] } }],
  })
  return handle.createWritable()
}

class Download implements FileSink {
  private parts: BlobPart[] = []
  private waiting: Uint8Array<ArrayBuffer>[] = []
  private bytes = 0

  constructor(private readonly name: string) {}

  async write(piece: Uint8Array<ArrayBuffer>) {
    this.waiting.push(piece)
    this.bytes += piece.length
    if (this.bytes >= BLOB_BYTES) this.gather()
  }

  async close() {
    this.gather()
    saveFile(this.name, new Blob(this.parts, { type: TYPE }))
    await this.abort()
  }

  async abort() {
    this.parts = []
    this.waiting = []
  }

  private gather() {
    this.parts.push(new Blob(this.waiting))
    this.waiting = []
    this.bytes = 0
  }
}
