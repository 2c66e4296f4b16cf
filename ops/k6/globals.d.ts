// What k6 has and its types leave out.
declare const console: Record<'log' | 'warn' | 'error', (message: string) => void>
