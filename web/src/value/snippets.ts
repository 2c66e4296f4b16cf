export const TOOLS = ['curl', 'cli', 'rust'] as const
export type Tool = (typeof TOOLS)[number]

export interface Snippets {
  get: string
  put: string
}

/** Quotes for a POSIX shell. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** A Rust string literal. What cannot be seen is escaped: the compiler refuses some of it, and people should. */
export function rustLiteral(text: string): string {
  const escaped = text
    .replace(/["\\]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (hidden) => `\\u{${hidden.codePointAt(0)?.toString(16)}}`)
  return `"${escaped}"`
}

/** How the key is read and written elsewhere. The token is never part of it: the shell has it in `$KVERSE_TOKEN`. */
export function snippets(
  tool: Tool,
  key: string,
  service: { origin: string; contentType: string; signedIn: boolean },
): Snippets {
  return { curl, cli, rust }[tool](key, service)
}

type Service = Parameters<typeof snippets>[2]

function curl(key: string, { origin, contentType, signedIn }: Service): Snippets {
  const url = shellQuote(`${origin}/kv?key=${encodeURIComponent(key)}`)
  const accept = "-H 'Accept: application/octet-stream'"
  const token = signedIn ? ' -H "Authorization: Bearer $KVERSE_TOKEN"' : ''
  const type = shellQuote(`Content-Type: ${contentType}`)
  return {
    get: `curl -f ${accept}${token} -o value ${url}`,
    put: `curl -f ${accept}${token} -H ${type} -T value ${url}`,
  }
}

/** The command line takes the token from `$KVERSE_TOKEN` by itself. */
function cli(key: string, { origin, contentType }: Service): Snippets {
  const store = `--store ${shellQuote(origin)}`
  const type = `--content-type ${shellQuote(contentType)}`
  return {
    get: `kverse-cli ${store} get --to value -- ${shellQuote(key)}`,
    put: `kverse-cli ${store} put ${type} -- ${shellQuote(key)} @value`,
  }
}

function rust(key: string, service: Service): Snippets {
  return {
    get: rustProgram(
      key,
      service,
      ['KvStoreExt'],
      [
        'if let Some(entry) = store.get(&key).await? {',
        '    println!("{} bytes, version {}", entry.value.len(), entry.version);',
        '}',
      ],
    ),
    put: rustProgram(
      key,
      service,
      ['ContentType', 'KvStoreExt', 'PutOptions'],
      [
        'let options = PutOptions::default()',
        `    .with_content_type(Some(ContentType::new(${rustLiteral(service.contentType)})?));`,
        'store.put_opts(&key, std::fs::read("value")?, options).await?;',
      ],
    ),
  }
}

function rustProgram(key: string, service: Service, names: string[], body: string[]): string {
  const store = `StoreConfig::new(${rustLiteral(service.origin)}.parse()?)`
  const token = '.with_token(Some(std::env::var("KVERSE_TOKEN")?.parse()?))'
  return [
    `use kverse_core::{${['Key', ...names].sort().join(', ')}};`,
    'use kverse_store::{StoreConfig, open};',
    '',
    '#[tokio::main]',
    'async fn main() -> Result<(), Box<dyn std::error::Error>> {',
    `    let config = ${store}${service.signedIn ? token : ''};`,
    '    let store = open(&config).await?;',
    `    let key: Key = ${rustLiteral(key)}.parse()?;`,
    ...body.map((line) => `    ${line}`),
    '    Ok(())',
    '}',
  ].join('\n')
}
