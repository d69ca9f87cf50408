// Life of a handle in Node: attached in connect's callback, woken from librdkafka's threads, detached before disconnect. One thread-safe function wakes
// the event loop for all handles; it does not keep the process alive.
#include "library.h"

// Lock order: a handle's mutex first. `wakeUp` is null before the addon is loaded, and once its environment ends.
static struct Loop { std::mutex mutex; napi_threadsafe_function wakeUp = nullptr; }&
loop = *new Loop; // never freed: librdkafka's threads outlive static destructors

// Event loop: runs a queued wake-up, which owns a reference to its handle. env is null while the environment ends.
static void onWakeUp(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<Reference> reference(static_cast<Reference*>(data));
  Handle& handle = **reference;
  std::unique_lock<std::mutex> lock(handle.mutex);
  handle.isWoken = false; // before JavaScript reads: anything that arrives from now on wakes again
  if (env == nullptr || !handle.isAttached) return;
  lock.unlock();
  napi_value callback, global, error;
  napi_get_global(env, &global);
  napi_get_reference_value(env, handle.onWake, &callback);
  if (napi_call_function(env, global, callback, 0, nullptr, nullptr) != napi_pending_exception) return;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

// Any thread, with the queue's lock held: a consumer's queue has become non-empty.
static void onQueue(rd_kafka_t*, void* opaque) {
  Handle& handle = *static_cast<Handle*>(opaque);
  std::lock_guard<std::mutex> lock(handle.mutex);
  wake(handle);
}

// The process ends, perhaps with open handles. librdkafka's threads run until its last moment; from now on they wake nothing.
static void onEnvironmentEnd(void*) {
  std::lock_guard<std::mutex> lock(loop.mutex);
  napi_release_threadsafe_function(loop.wakeUp, napi_tsfn_abort);
  loop.wakeUp = nullptr;
}

// attach(name, owner, onWake): external, for an open handle. Keeps `owner` alive until detach: node-rdkafka destroys a handle whose object is collected.
static napi_value attach(napi_env env, napi_callback_info info) {
  auto [nameValue, owner, onWake] = argumentsOf<3>(env, info);
  napi_value external; char name[256];
  if (napi_get_value_string_utf8(env, nameValue, name, sizeof name, nullptr) != napi_ok) return throwError(env, "name is no string");
  Reference handle = findHandle(name);
  if (handle == nullptr || handle->onWake != nullptr) return throwError(env, "no handle of this name is open and unattached");
  auto release = [](napi_env, void* reference, void*) { delete static_cast<Reference*>(reference); };
  if (napi_create_reference(env, owner, 1, &handle->owner) != napi_ok || napi_create_reference(env, onWake, 1, &handle->onWake) != napi_ok ||
    napi_create_external(env, new Reference(handle), release, nullptr, &external) != napi_ok) return throwError(env, "owner or onWake is no object");
  { std::lock_guard<std::mutex> lock(handle->mutex); handle->isAttached = true; }
  handle->queue = handle->librdkafka.queue_get_consumer(handle->rk); // null for a producer
  if (handle->queue != nullptr) handle->librdkafka.queue_cb_event_enable(handle->queue, onQueue, handle.get());
  return external;
}

// detach(external): must precede node-rdkafka's disconnect. No callback runs afterwards; acknowledgements and messages not taken are dropped.
static napi_value detach(napi_env env, napi_callback_info info) {
  Handle* handle = attachedHandle(env, argumentsOf<1>(env, info)[0]);
  if (handle == nullptr) return nullptr;
  { std::lock_guard<std::mutex> lock(handle->mutex); handle->isAttached = false; }
  if (handle->queue != nullptr) {
    handle->librdkafka.queue_cb_event_enable(handle->queue, nullptr, nullptr); // after this onQueue is neither running nor called again
    handle->librdkafka.queue_destroy(handle->queue);
  }
  for (rd_kafka_topic_t* topic : handle->topics) handle->librdkafka.topic_destroy(topic);
  napi_delete_reference(env, handle->owner);
  napi_delete_reference(env, handle->onWake);
  return nullptr;
}

void wake(Handle& handle) {
  if (!handle.isAttached || handle.isWoken) return;
  std::lock_guard<std::mutex> lock(loop.mutex);
  if (loop.wakeUp == nullptr) return;
  auto reference = std::make_unique<Reference>(handle.self);
  handle.isWoken = napi_call_threadsafe_function(loop.wakeUp, reference.get(), napi_tsfn_nonblocking) == napi_ok;
  if (handle.isWoken) reference.release(); // owned by the wake-up now
}

Handle* attachedHandle(napi_env env, napi_value external) {
  void* data = nullptr;
  if (napi_get_value_external(env, external, &data) == napi_ok) {
    Handle* handle = static_cast<Reference*>(data)->get();
    std::lock_guard<std::mutex> lock(handle->mutex);
    if (handle->isAttached) return handle;
  }
  return throwError(env, "the handle is not attached"), nullptr;
}

// From libuv, whose headers are not part of Node-API's.
extern "C" uv_loop_s* uv_default_loop();

NAPI_MODULE_INIT() {
  uv_loop_s* current = nullptr;
  napi_get_uv_event_loop(env, &current);
  if (current != uv_default_loop()) return throwError(env, "it works on the main thread only, like node-rdkafka");
  std::lock_guard<std::mutex> lock(loop.mutex);
  if (loop.wakeUp == nullptr) {
    napi_value name;
    napi_create_string_utf8(env, "librdkafka", NAPI_AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, onWakeUp, &loop.wakeUp);
    napi_unref_threadsafe_function(env, loop.wakeUp);
    napi_add_env_cleanup_hook(env, onEnvironmentEnd, nullptr); // hooks run in reverse order: before the thread-safe function's own
  }
#define FUNCTION(name) { #name, nullptr, name, nullptr, nullptr, nullptr, napi_enumerable, nullptr }
  const napi_property_descriptor functions[] = { FUNCTION(attach), FUNCTION(detach), FUNCTION(topic), FUNCTION(send), FUNCTION(acknowledgements), FUNCTION(read) };
  napi_define_properties(env, exports, std::size(functions), functions);
  return exports;
}
