#pragma once
#include <mongoc/mongoc.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "store/mongo/bson.hpp"

/// libmongoc behind RAII. Its handles live nowhere else.
namespace pebbles::store::mongo {

template <auto destroy>
struct Destroy {
  void operator()(auto* handle) const noexcept { destroy(handle); }
};
using Uri = std::unique_ptr<mongoc_uri_t, Destroy<mongoc_uri_destroy>>;
using ClientPool = std::unique_ptr<mongoc_client_pool_t, Destroy<mongoc_client_pool_destroy>>;
using Collection = std::unique_ptr<mongoc_collection_t, Destroy<mongoc_collection_destroy>>;
using Cursor = std::unique_ptr<mongoc_cursor_t, Destroy<mongoc_cursor_destroy>>;
using Bulk = std::unique_ptr<mongoc_bulk_operation_t, Destroy<mongoc_bulk_operation_destroy>>;
using Session = std::unique_ptr<mongoc_client_session_t, Destroy<mongoc_client_session_destroy>>;
using ReadConcern = std::unique_ptr<mongoc_read_concern_t, Destroy<mongoc_read_concern_destroy>>;
using WriteConcern = std::unique_ptr<mongoc_write_concern_t, Destroy<mongoc_write_concern_destroy>>;
using ReadPrefs = std::unique_ptr<mongoc_read_prefs_t, Destroy<mongoc_read_prefs_destroy>>;
using TransactionOptions = std::unique_ptr<mongoc_transaction_opt_t, Destroy<mongoc_transaction_opts_destroy>>;

inline constexpr std::int32_t duplicate_key = 11000;

/// What a failed operation says about what it did.
struct Fault {
  std::int32_t code = 0;
  std::string text;
  bool not_sent = false;  ///< no server could be chosen: nothing was written
  bool network = false;   ///< the connection failed: what was under way may or may not have been done

  /// `reply` may be null.
  [[nodiscard]] static Fault of(const bson_error_t& error, const bson_t* reply);
  [[nodiscard]] Error to_error() const { return {Errc::store_unavailable, "MongoDB: " + text}; }
};

/// What is lent of a pool, which does not say so itself. Threads: any.
struct PoolCounts {
  std::atomic<std::size_t> in_use{0};
  std::atomic<std::size_t> made{0};  ///< the most that were in use at once: the pool makes one only when none is idle
  std::atomic<std::size_t> waiting{0};
};

/// A client of the pool for as long as it lives. Threads: one.
class Lease {
 public:
  Lease() = default;
  /// Waits for one until the pool's time is over; then it is none.
  Lease(mongoc_client_pool_t* pool, PoolCounts& counts);
  Lease(Lease&& other) noexcept
      : pool_{other.pool_}, counts_{other.counts_}, client_{std::exchange(other.client_, nullptr)} {}
  Lease& operator=(Lease&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(counts_, other.counts_);
    std::swap(client_, other.client_);
    return *this;
  }
  ~Lease() {
    if (client_ == nullptr) return;
    mongoc_client_pool_push(pool_, client_);
    --counts_->in_use;
  }
  [[nodiscard]] mongoc_client_t* get() const { return client_; }
  explicit operator bool() const { return client_ != nullptr; }

 private:
  mongoc_client_pool_t* pool_ = nullptr;
  PoolCounts* counts_ = nullptr;
  mongoc_client_t* client_ = nullptr;
};

/// A query under way. Threads: the client's.
class Found {
 public:
  Found(mongoc_collection_t* collection, const Bson& filter, const Bson& options, const mongoc_read_prefs_t* prefs)
      : cursor_{mongoc_collection_find_with_opts(collection, filter.get(), options.get(), prefs)} {}
  /// Null at the end, and after a fault. Valid until the next call.
  [[nodiscard]] const bson_t* next() {
    const bson_t* document = nullptr;
    return mongoc_cursor_next(cursor_.get(), &document) ? document : nullptr;
  }
  /// Of the replies from the next one on.
  void set_batch_size(std::uint32_t documents) { mongoc_cursor_set_batch_size(cursor_.get(), documents); }
  /// Error: store_unavailable when it ended early.
  [[nodiscard]] Result<void> end() const;

 private:
  Cursor cursor_;
};

/// Runs a query and calls `take` with each document until it says false. Error: store_unavailable.
template <class Take>
Result<void> find(mongoc_collection_t* collection, const Bson& filter, const Bson& options, Take&& take,
                  const mongoc_read_prefs_t* prefs = nullptr) {
  Found found{collection, filter, options, prefs};
  while (const bson_t* document = found.next())
    if (!take(document)) return {};
  return found.end();
}

/// Initialises libmongoc once for the process, and sends its log where ours goes. Any thread.
void start_driver();

}  // namespace pebbles::store::mongo
