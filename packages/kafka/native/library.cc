// The librdkafka plugin: looks up librdkafka's functions and registers opened handles by name. Called by librdkafka on the threads that create and
// destroy configurations and handles, so Node-API must not be used here.
#include "library.h"
#include <dlfcn.h>
#include <cstdio>
#include <cstring>
#include <map>

static const char* const plugin = "native";
static const char* const nameProperty = "native.handle.name"; // by which JavaScript finds a handle; librdkafka sets it again on a copied configuration
static struct Registry { std::mutex mutex; std::map<std::string, std::weak_ptr<Handle>> handles; }&
registry = *new Registry; // never freed: librdkafka's threads outlive static destructors

// Fills the table from the library that contains `caller`. Returns the missing part, or null.
static const char* findFunctions(Librdkafka& found, void* caller) {
  Dl_info info;
  void* library = dladdr(caller, &info) ? dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD) : nullptr;
  if (library == nullptr) return "the library";
  const char* missing = nullptr;
#define FIND(name) if ((found.name = reinterpret_cast<decltype(found.name)>(dlsym(library, "rd_kafka_" #name))) == nullptr) missing = #name;
  LIBRDKAFKA_FUNCTIONS(FIND)
  dlclose(library); // it stays loaded: its caller is in it
  if (missing == nullptr && found.version() >> 24 != RD_KAFKA_VERSION >> 24) return "the version that the addon was made for";
  return missing;
}

static rd_kafka_conf_res_t onConfSet(rd_kafka_conf_t*, const char* name, const char* value, char*, size_t, void* opaque) {
  if (strcmp(name, nameProperty) != 0) return RD_KAFKA_CONF_UNKNOWN;
  static_cast<Handle*>(opaque)->name = value == nullptr ? "" : value;
  return RD_KAFKA_CONF_OK;
}

// The rd_kafka_t has neither locks nor queues yet, so only interceptors may be added. A failure would be logged, which needs those locks.
static rd_kafka_resp_err_t onNew(rd_kafka_t* rk, const rd_kafka_conf_t*, void* opaque, char*, size_t) {
  auto* handle = static_cast<Handle*>(opaque);
  handle->rk = rk;
  handle->librdkafka.interceptor_add_on_acknowledgement(rk, plugin, onAcknowledgement, handle);
  std::lock_guard<std::mutex> lock(registry.mutex);
  registry.handles[handle->name] = handle->self; // replaces a handle that was opened with the same settings before
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// The last call for a configuration and its rd_kafka_t, whose threads have all ended.
static rd_kafka_resp_err_t onConfDestroy(void* opaque) {
  Reference handle = std::move(static_cast<Handle*>(opaque)->self);
  // JavaScript has detached it normally; otherwise its next call throws.
  { std::lock_guard<std::mutex> lock(handle->mutex); handle->isAttached = false; }
  std::lock_guard<std::mutex> lock(registry.mutex);
  auto found = registry.handles.find(handle->name);
  if (found != registry.handles.end() && found->second.lock() == handle) registry.handles.erase(found);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

Reference findHandle(const std::string& name) {
  std::lock_guard<std::mutex> lock(registry.mutex);
  auto found = registry.handles.find(name);
  return found == registry.handles.end() ? nullptr : found->second.lock();
}

// Entry point of a librdkafka plugin: called for the configuration that node-rdkafka creates, and for the copy that it opens.
extern "C" __attribute__((visibility("default"))) rd_kafka_resp_err_t conf_init(rd_kafka_conf_t* conf, void**, char* errstr, size_t errstrSize) {
  auto handle = std::make_shared<Handle>();
  const Librdkafka& librdkafka = handle->librdkafka;
  const char* missing = findFunctions(handle->librdkafka, __builtin_return_address(0));
  if (missing != nullptr) return snprintf(errstr, errstrSize, "librdkafka lacks %s", missing), RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE;
  // Fails where plugin.library.paths is set a second time: then the first handle stays.
  if (librdkafka.conf_interceptor_add_on_new(conf, plugin, onNew, handle.get())) return RD_KAFKA_RESP_ERR_NO_ERROR;
  librdkafka.conf_interceptor_add_on_conf_set(conf, plugin, onConfSet, handle.get());
  librdkafka.conf_interceptor_add_on_conf_destroy(conf, plugin, onConfDestroy, handle.get());
  handle->self = handle;
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}
