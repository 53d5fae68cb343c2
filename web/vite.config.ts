import { createReadStream, createWriteStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

// Every file that packs well lies beside its packed form, so that the server packs nothing at run time.
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    async closeBundle() {
      const files = await readdir('dist', { recursive: true })
      for (const file of files.filter((name) => /\.(js|css|html|svg)$/.test(name))) {
        const path = join('dist', file)
        await pipeline(createReadStream(path), createGzip({ level: 9 }), createWriteStream(`${path}.gz`))
      }
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
