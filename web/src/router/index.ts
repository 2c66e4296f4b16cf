import { createRouter, createWebHistory, type RouteRecordRaw, type RouterHistory } from 'vue-router'

/** The pages. The service answers each of these paths with the dashboard: see `dashboard` in kverse-server. */
const routes: RouteRecordRaw[] = [
  { path: '/', name: 'home', component: () => import('@/views/HomeView.vue') },
  { path: '/store', name: 'store', component: () => import('@/views/StoreView.vue') },
  { path: '/changes', name: 'changes', component: () => import('@/views/ChangesView.vue') },
  { path: '/status', name: 'status', component: () => import('@/views/StatusView.vue') },
  { path: '/transfer', name: 'transfer', component: () => import('@/views/TransferView.vue') },
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
