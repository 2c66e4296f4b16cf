import { h, type Component } from 'vue'
import { RouterView } from 'vue-router'

/** A component as a part of a page, as the guards of the router need it. */
export function onPage(component: Component) {
  return () => h(RouterView, null, { default: () => h(component) })
}
