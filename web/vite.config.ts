import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

// Bytes that the first page may take, packed: half a second of a phone's poor connection. It is one page with one bundle, so
// that everything that is built counts.
const FIRST_PAGE_BYTES_MAX = 400_000

// Every file that packs well lies beside its packed form, so that the server packs nothing at run time.
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    async closeBundle() {
      const files = await readdir('dist', { recursive: true })
      let bytes = 0
      for (const file of files.filter((name) => /\.(js|css|html|svg)$/.test(name))) {
        const path = join('dist', file)
        await pipeline(createReadStream(path), createGzip({ level: 9 }), createWriteStream(`${path}.gz`))
        bytes += (await stat(`${path}.gz`)).size
      }
      if (bytes > FIRST_PAGE_BYTES_MAX) throw new Error(`the first page takes ${bytes} bytes, packed; ${FIRST_PAGE_BYTES_MAX} are allowed`)
    },
  }
}

// While the dashboard is worked on, a midwatch elsewhere answers its questions.
const server = process.env.MIDWATCH_URL ?? 'http://127.0.0.1:7700'

export default defineConfig({
  plugins: [react(), packed()],
  build: { target: 'es2022', sourcemap: false, assetsInlineLimit: 0, chunkSizeWarningLimit: 1200 },
  server: {
    host: '127.0.0.1',
    // The origin stays the one that the browser sees: the server compares the two.
    proxy: { '/api': { target: server }, '/ws': { target: server, ws: true } },
  },
})
