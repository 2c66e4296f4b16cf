import { createRouter, createWebHistory, type RouteRecordRaw, type RouterHistory } from 'vue-router'

import type { Verb } from '@/stores/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** What the page is of no use without: one of these verbs, somewhere. @default none */
    needs?: Verb[]
  }
}

/** The pages. The service answers each of these paths with the dashboard: see `dashboard` in kverse-server. */
const routes: RouteRecordRaw[] = [
  { path: '/', name: 'home', component: () => import('@/views/HomeView.vue') },
  {
    path: '/store',
    name: 'store',
    component: () => import('@/views/StoreView.vue'),
    meta: { needs: ['list', 'read', 'write', 'delete'] },
  },
  {
    path: '/changes',
    name: 'changes',
    component: () => import('@/views/ChangesView.vue'),
    meta: { needs: ['watch'] },
  },
  {
    path: '/status',
    name: 'status',
    component: () => import('@/views/StatusView.vue'),
  },
  {
    path: '/transfer',
    name: 'transfer',
    component: () => import('@/views/TransferView.vue'),
    meta: { needs: ['list', 'write'] },
  },
  { path: '/sign-in', name: 'sign-in', component: () => import('@/views/SignInView.vue') },
  {
    path: '/:path(.*)*',
    name: 'not-found',
    component: () => import('@/views/NotFoundView.vue'),
  },
]

export function makeRouter(history: RouterHistory = createWebHistory()) {
  return createRouter({
    history,
    routes,
    scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  })
}
