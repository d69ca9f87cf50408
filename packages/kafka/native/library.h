// Shared by the parts of the addon. README.md has the tables of threads and of ownership.
#pragma once
#define NAPI_VERSION 8
#include <node_api.h>
#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>
#include "rdkafka.h"

// librdkafka's functions, looked up in the copy that loaded this plugin: the addon is not linked with librdkafka.
#define LIBRDKAFKA_FUNCTIONS(X) \
  X(version) X(conf_interceptor_add_on_conf_set) X(conf_interceptor_add_on_conf_destroy) X(conf_interceptor_add_on_new) \
  X(interceptor_add_on_acknowledgement) X(topic_new) X(topic_name) X(topic_destroy) X(producev) X(headers_new) X(header_add) \
  X(headers_destroy) X(queue_get_consumer) X(queue_destroy) X(queue_cb_event_enable) X(consume_queue) X(message_destroy) \
  X(message_timestamp) X(message_headers) X(message_produce_errstr) X(header_get_all)
struct Librdkafka {
#define MEMBER(name) decltype(&rd_kafka_##name) name = nullptr;
  LIBRDKAFKA_FUNCTIONS(MEMBER)
};

// One librdkafka configuration and, once it is opened, its rd_kafka_t; node-rdkafka creates and destroys both. Owned by `self` from conf_init to
// on_conf_destroy, by JavaScript's external, and by each queued wake-up.
struct Handle {
  std::shared_ptr<Handle> self;
  Librdkafka librdkafka;
  std::string name;
  rd_kafka_t* rk = nullptr; // alive while attached
  std::mutex mutex; // guards the next three fields; librdkafka is not called while it is held
  bool isAttached = false, isWoken = false; // isWoken: a wake-up is queued and has not started
  std::vector<double> acknowledged; // id, error, partition, offset of each
  napi_ref owner = nullptr, onWake = nullptr; // this and the fields below: event loop only
  std::vector<rd_kafka_topic_t*> topics;
  rd_kafka_queue_t* queue = nullptr; // a consumer's
};
using Reference = std::shared_ptr<Handle>;
Reference findHandle(const std::string& name); // the open handle of that name, or null; any thread
void wake(Handle& handle); // queues one call of onWake on the event loop, unless one is queued; any thread, with handle.mutex held
rd_kafka_resp_err_t onAcknowledgement(rd_kafka_t* rk, rd_kafka_message_t* message, void* handle); // the interceptor; any thread

// Functions for JavaScript, as native.ts declares them.
napi_value topic(napi_env env, napi_callback_info info);
napi_value send(napi_env env, napi_callback_info info);
napi_value acknowledgements(napi_env env, napi_callback_info info);
napi_value read(napi_env env, napi_callback_info info);
Handle* attachedHandle(napi_env env, napi_value external); // null with a pending exception where `external` is no handle, or not attached
inline napi_value throwError(napi_env env, const char* text) { return napi_throw_error(env, nullptr, text), nullptr; }
inline napi_value toBuffer(napi_env env, const void* data, size_t size) {
  napi_value copy = nullptr; // null with a pending exception where memory is exhausted
  return napi_create_buffer_copy(env, size, data, nullptr, &copy), copy;
}
// The memory of a typed array of this type, valid until JavaScript runs again.
inline bool memoryOf(napi_env env, napi_value value, napi_typedarray_type type, void** data, size_t* length) {
  napi_typedarray_type actual;
  return napi_get_typedarray_info(env, value, &actual, length, data, nullptr, nullptr) == napi_ok && actual == type;
}
template <size_t count> std::array<napi_value, count> argumentsOf(napi_env env, napi_callback_info info) {
  size_t length = count;
  std::array<napi_value, count> values; // undefined where fewer were given
  napi_get_cb_info(env, info, &length, values.data(), nullptr, nullptr);
  return values;
}
