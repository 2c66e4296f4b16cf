import { shellQuote } from './shell'

export const TOOLS = ['curl', 'cli', 'rust'] as const
export type Tool = (typeof TOOLS)[number]

export interface Snippets {
  get: string
  put: string
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
      ['Key', 'KvStoreExt'],
      [
        'if let Some(entry) = store.get(&key).await? {',
        '    println!("{} bytes, version {}", entry.value.len(), entry.version);',
        '}',
      ],
    ),
    put: rustProgram(
      key,
      service,
      ['ContentType', 'Key', 'KvStoreExt', 'PutOptions'],
      [
        'let value = std::fs::read("value")?;',
        `let content_type = ContentType::new(${rustLiteral(service.contentType)})?;`,
        'let options = PutOptions::default().with_content_type(Some(content_type));',
        'store.put_opts(&key, value, options).await?;',
      ],
    ),
  }
}

function rustProgram(key: string, service: Service, names: string[], body: string[]): string {
  const config = `let config = StoreConfig::new(${rustLiteral(service.origin)}.parse()?)`
  const token = '    .with_token(Some(std::env::var("KVERSE_TOKEN")?.parse()?))'
  const lines = [
    ...(service.signedIn ? [config, `${token};`] : [`${config};`]),
    'let store = open(&config).await?;',
    `let key: Key = ${rustLiteral(key)}.parse()?;`,
    ...body,
    'Ok(())',
  ]
  return [
    `use kverse_core::{${names.join(', ')}};`,
    'use kverse_store::{StoreConfig, open};',
    '',
    '#[tokio::main]',
    'async fn main() -> Result<(), Box<dyn std::error::Error>> {',
    ...lines.map((line) => `    ${line}`),
    '}',
  ].join('\n')
}
