// Takes packed records from JavaScript and returns acknowledgements.
#include "library.h"
#include <cstring>

// Set while records are handed over: librdkafka may report an immediate refusal twice, by the interceptor on this thread and by the result. The result counts.
static thread_local bool isProducing = false;

// Reads fields and bytes in order, never past the end of either.
struct Cursor {
  const int32_t *field, *lastField;
  const char *byte, *lastByte;
  bool isBroken;
  int32_t next() { return (isBroken = isBroken || field == lastField) ? 0 : *field++; }
  // Null for a length of -1, a non-null address for 0: librdkafka distinguishes null from empty by the address.
  char* take(int32_t length, size_t* size) {
    isBroken = isBroken || length < -1 || length > lastByte - byte;
    *size = isBroken || length < 0 ? 0 : static_cast<size_t>(length);
    byte += *size;
    return isBroken || length < 0 ? nullptr : const_cast<char*>(byte - *size);
  }
};

struct Record { rd_kafka_topic_t* topic; int32_t partition, id, headerCount; char *key, *value; size_t keySize, valueSize; Cursor headers; };

// Fields of a record: topic, partition or -1, id, lengths of key and value (-1 for null), number of headers, and for each header the lengths of name and
// value (-1 for null). Bytes in the same order.
static Record readRecord(Cursor& at, const std::vector<rd_kafka_topic_t*>& topics) {
  Record record {};
  size_t topic = static_cast<uint32_t>(at.next()), size;
  at.isBroken = at.isBroken || topic >= topics.size();
  if (!at.isBroken) record.topic = topics[topic];
  record.partition = at.next(), record.id = at.next();
  int32_t keyLength = at.next(), valueLength = at.next();
  record.headerCount = at.next();
  record.key = at.take(keyLength, &record.keySize), record.value = at.take(valueLength, &record.valueSize);
  record.headers = at;
  for (int32_t left = record.headerCount; left > 0 && !at.isBroken; left--) {
    if (at.take(at.next(), &size) == nullptr) at.isBroken = true; // a name is never null
    at.take(at.next(), &size);
  }
  return record;
}

static rd_kafka_resp_err_t sendRecord(const Handle& handle, const Record& record) {
  rd_kafka_headers_t* headers = record.headerCount > 0 ? handle.librdkafka.headers_new(record.headerCount) : nullptr;
  Cursor at = record.headers;
  for (int32_t left = record.headerCount; left > 0; left--) {
    size_t nameSize, valueSize;
    const char* name = at.take(at.next(), &nameSize);
    const char* value = at.take(at.next(), &valueSize);
    handle.librdkafka.header_add(headers, name, nameSize, value, valueSize);
  }
  rd_kafka_resp_err_t error = handle.librdkafka.producev(handle.rk, RD_KAFKA_V_RKT(record.topic), RD_KAFKA_V_PARTITION(record.partition),
    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(record.key, record.keySize), RD_KAFKA_V_VALUE(record.value, record.valueSize),
    RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(static_cast<intptr_t>(record.id))), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
  if (error && headers != nullptr) handle.librdkafka.headers_destroy(headers); // owned by the message where it was taken
  return error;
}

// topic(external, name): the topic's number for `send`, -1 where librdkafka refuses the name. Valid until the handle is detached.
napi_value topic(napi_env env, napi_callback_info info) {
  auto [external, nameValue] = argumentsOf<2>(env, info);
  napi_value number; char name[1024]; // a longer name is truncated, and refused too: librdkafka's limit is 512 bytes
  Handle* handle = attachedHandle(env, external);
  if (handle == nullptr) return nullptr;
  if (napi_get_value_string_utf8(env, nameValue, name, sizeof name, nullptr) != napi_ok) return throwError(env, "name is no string");
  rd_kafka_topic_t* topic = handle->librdkafka.topic_new(handle->rk, name, nullptr); // with the handle's topic configuration
  if (topic != nullptr) handle->topics.push_back(topic);
  return napi_create_int32(env, topic == nullptr ? -1 : static_cast<int32_t>(handle->topics.size() - 1), &number), number;
}

// send(external, bytes, fields, count, errors): how many of `count` records were taken or refused; `errors` has the code of each. For the rest the queue was
// full; the caller keeps it and must send it before any newer record.
napi_value send(napi_env env, napi_callback_info info) {
  auto [external, bytesValue, fieldsValue, countValue, errorsValue] = argumentsOf<5>(env, info);
  void *bytes, *fields, *errors;
  size_t byteCount, fieldCount, errorCount; uint32_t count, sent = 0; napi_value result;
  Handle* handle = attachedHandle(env, external);
  if (handle == nullptr) return nullptr;
  if (!memoryOf(env, bytesValue, napi_uint8_array, &bytes, &byteCount) || !memoryOf(env, fieldsValue, napi_int32_array, &fields, &fieldCount) ||
    !memoryOf(env, errorsValue, napi_int32_array, &errors, &errorCount) || napi_get_value_uint32(env, countValue, &count) != napi_ok || errorCount < count)
    return throwError(env, "send takes a Buffer, an Int32Array, a count and an Int32Array of that length");
  auto* field = static_cast<const int32_t*>(fields);
  const char* byte = bytes == nullptr ? "" : static_cast<const char*>(bytes);
  Cursor at { field, field + fieldCount, byte, byte + byteCount, false };
  Cursor check = at; // all records are checked before the first is handed over
  for (uint32_t left = count; left > 0; left--) readRecord(check, handle->topics);
  if (check.isBroken) return throwError(env, "the records do not fit their fields, bytes or topics");
  isProducing = true;
  for (rd_kafka_resp_err_t error; sent < count; static_cast<int32_t*>(errors)[sent++] = error) {
    error = sendRecord(*handle, readRecord(at, handle->topics));
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) break; // no later record may pass it, even a smaller one that would fit
  }
  isProducing = false;
  return napi_create_uint32(env, sent, &result), result;
}

// acknowledgements(external): acknowledgements since the last call, as bytes of doubles: id, error, partition, offset.
napi_value acknowledgements(napi_env env, napi_callback_info info) {
  Handle* handle = attachedHandle(env, argumentsOf<1>(env, info)[0]);
  if (handle == nullptr) return nullptr;
  std::vector<double> taken;
  { std::lock_guard<std::mutex> lock(handle->mutex); taken.swap(handle->acknowledged); }
  return toBuffer(env, taken.data(), taken.size() * sizeof(double));
}

// May run with librdkafka's locks held, so nothing that takes one is called. Runs once for each record that was taken, except those left when the handle ends.
rd_kafka_resp_err_t onAcknowledgement(rd_kafka_t*, rd_kafka_message_t* message, void* opaque) {
  if (isProducing) return RD_KAFKA_RESP_ERR_NO_ERROR;
  Handle& handle = *static_cast<Handle*>(opaque);
  // If the broker names one bad record of a request, librdkafka gives its error code to all records; only their texts differ.
  const char* text = handle.librdkafka.message_produce_errstr(message);
  bool isOther = text != nullptr && strncmp(text, "Failed to append record because it was part of a batch", 54) == 0;
  double error = isOther ? RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD : message->err;
  std::lock_guard<std::mutex> lock(handle.mutex);
  auto& all = handle.acknowledged;
  if (handle.isAttached) all.insert(all.end(), { double(reinterpret_cast<intptr_t>(message->_private)), error, double(message->partition), double(message->offset) });
  wake(handle);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}
