#include "store/mongo/driver.hpp"

#include <mutex>

#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

void log_of_driver(mongoc_log_level_t level, const char* domain, const char* message, void*) {
  if (level <= MONGOC_LOG_LEVEL_WARNING) telemetry::driver_warned(domain, message);
}

}  // namespace

Fault Fault::of(const bson_error_t& error, const bson_t* reply) {
  Fault out{.code = static_cast<std::int32_t>(error.code), .text = error.message};
  out.not_sent = error.domain == MONGOC_ERROR_SERVER_SELECTION;
  out.network = error.domain == MONGOC_ERROR_STREAM;
  out.network = out.network || (reply != nullptr && mongoc_error_has_label(reply, "RetryableWriteError"));
  return out;
}

Lease::Lease(mongoc_client_pool_t* pool, PoolCounts& counts) : pool_{pool}, counts_{&counts} {
  ++counts.waiting;
  client_ = mongoc_client_pool_pop(pool);
  --counts.waiting;
  if (client_ == nullptr) return;
  const auto in_use = ++counts.in_use;
  auto made = counts.made.load();
  while (made < in_use && !counts.made.compare_exchange_weak(made, in_use)) {
  }
}

Result<void> Found::end() const {
  bson_error_t error;
  const bson_t* reply = nullptr;
  if (mongoc_cursor_error_document(cursor_.get(), &error, &reply))
    return std::unexpected{Fault::of(error, reply).to_error()};
  return {};
}

void start_driver() {
  static std::once_flag once;
  std::call_once(once, [] {
    mongoc_init();
    mongoc_log_set_handler(log_of_driver, nullptr);
  });
}

}  // namespace pebbles::store::mongo
