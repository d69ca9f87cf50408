// Passes fetched messages to JavaScript, as copies: a message not returned to librdkafka would keep its handle from ending.
#include "library.h"
#include <algorithm>
#include <cstring>

// Messages share buffers of up to this size; a larger message has its own buffer. A reference to a message keeps its buffer alive.
static const size_t sharedBytes = 16 * 1024;

// Takes up to `count` messages, errors included, until they have `bytes`. Returns whether the queue was found empty: only then does the next message wake.
// One at a time, because rd_kafka_consume_batch_queue counts the offset of an error, such as the end of a partition, as read (librdkafka's issue 4844): a
// partition paused there would skip a message.
static bool take(const Handle& handle, std::vector<rd_kafka_message_t*>& messages, size_t count, size_t bytes) {
  for (size_t taken = 0; messages.size() < count && (taken < bytes || messages.empty());) {
    rd_kafka_message_t* message = handle.librdkafka.consume_queue(handle.queue, 0);
    if (message == nullptr) return true;
    taken += message->key_len + message->len;
    messages.push_back(message);
  }
  return false;
}

static void append(std::string& bytes, const void* data, size_t size) {
  if (data != nullptr) bytes.append(static_cast<const char*>(data), size);
}

// For each header: lengths of name and value (4 bytes each, -1 for null), name, value. A name ends at its first NUL: librdkafka does not return its length.
static void appendHeaders(std::string& bytes, const Librdkafka& librdkafka, const rd_kafka_message_t* message) {
  rd_kafka_headers_t* headers;
  const char* name; const void* value; size_t size; // owned by librdkafka until the message is destroyed
  if (message->err || librdkafka.message_headers(message, &headers)) return;
  for (size_t index = 0; !librdkafka.header_get_all(headers, index, &name, &value, &size); index++) {
    const int32_t lengths[] = { static_cast<int32_t>(strlen(name)), value == nullptr ? -1 : static_cast<int32_t>(size) };
    append(bytes, lengths, sizeof lengths);
    append(bytes, name, strlen(name));
    append(bytes, value, size);
  }
}

static const size_t fieldCount = 9; // for each entry
// read(external, bytes, fields): [count, buffers, topics, isEmptied]. Fills `fields`, a Float64Array whose length limits the number of entries. For each
// entry: error code or 0, index of the topic or -1, partition, offset, timestamp or -1, index of the buffer, and the lengths of key, value (-1 for null) and
// headers, which lie in the buffer one after the other. The value of an error is its text.
napi_value read(napi_env env, napi_callback_info info) {
  auto [external, bytesValue, fieldsValue] = argumentsOf<3>(env, info);
  uint32_t byteLimit; size_t length; void* data;
  Handle* handle = attachedHandle(env, external);
  if (handle == nullptr) return nullptr;
  if (handle->queue == nullptr || napi_get_value_uint32(env, bytesValue, &byteLimit) != napi_ok || !memoryOf(env, fieldsValue, napi_float64_array, &data, &length))
    return throwError(env, "read takes a consumer's handle, a number of bytes and a Float64Array");
  const Librdkafka& librdkafka = handle->librdkafka;
  auto* field = static_cast<double*>(data);
  std::vector<rd_kafka_message_t*> messages;
  std::vector<const rd_kafka_topic_t*> topics; // within this call only: an address may be reused once its topic and messages are freed
  std::string bytes;
  std::vector<size_t> starts; // where each buffer starts in `bytes`
  napi_value result, names, buffers, isEmptied, item;
  napi_create_array_with_length(env, 4, &result);
  napi_create_array(env, &names);
  napi_create_array(env, &buffers);
  napi_get_boolean(env, take(*handle, messages, length / fieldCount, byteLimit), &isEmptied);
  for (rd_kafka_message_t* message : messages) {
    size_t topic = std::find(topics.begin(), topics.end(), message->rkt) - topics.begin();
    if (message->rkt != nullptr && topic == topics.size()) {
      topics.push_back(message->rkt);
      napi_create_string_utf8(env, librdkafka.topic_name(message->rkt), NAPI_AUTO_LENGTH, &item);
      napi_set_element(env, names, static_cast<uint32_t>(topic), item);
    }
    size_t start = bytes.size();
    append(bytes, message->key, message->key_len);
    append(bytes, message->payload, message->len);
    size_t headers = bytes.size();
    appendHeaders(bytes, librdkafka, message);
    if (starts.empty() || (start > starts.back() && bytes.size() - starts.back() > sharedBytes)) starts.push_back(start);
    const double entry[fieldCount] = { double(message->err), message->rkt == nullptr ? -1.0 : double(topic), double(message->partition), double(message->offset),
      double(librdkafka.message_timestamp(message, nullptr)), double(starts.size() - 1), message->key == nullptr ? -1.0 : double(message->key_len),
      message->payload == nullptr ? -1.0 : double(message->len), double(bytes.size() - headers) };
    field = std::copy(entry, entry + fieldCount, field);
  }
  for (rd_kafka_message_t* message : messages) librdkafka.message_destroy(message);
  starts.push_back(bytes.size());
  for (uint32_t index = 0; index + 1 < starts.size(); index++) {
    napi_set_element(env, buffers, index, toBuffer(env, bytes.data() + starts[index], starts[index + 1] - starts[index]));
  }
  napi_create_uint32(env, static_cast<uint32_t>(messages.size()), &item);
  napi_value parts[] = { item, buffers, names, isEmptied };
  for (uint32_t index = 0; index < std::size(parts); index++) napi_set_element(env, result, index, parts[index]);
  return result;
}
