#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "store/mongo/driver.hpp"

namespace pebbles::store::mongo {

/// A bulk's reply, as far as it matters here.
struct BulkReply {
  std::int64_t inserted = 0;
  std::int64_t matched = 0;
  std::int64_t upserted = 0;
  std::int64_t removed = 0;
  std::vector<std::pair<std::size_t, std::int32_t>> errors;  ///< which operation, and the error's code
  bool may_roll_back = false;  ///< the rest is applied, but a majority is not known to have it
};

/// One unordered bulk of writes, executed once. Threads: the client's.
class Writes {
 public:
  /// `session` may be null.
  Writes(mongoc_collection_t* collection, mongoc_client_session_t* session);

  /// False: libmongoc does not take it, and never will (its size, say). Precondition: its texts are valid UTF-8.
  [[nodiscard]] bool insert(const Bson& document);
  /// `filter` names an `_id`.
  void update(const Bson& filter, const Bson& change, bool upsert = false);
  /// The whole document, of the same `_id`.
  void replace(const Bson& filter, const Bson& document, bool upsert = false);
  void remove(const Bson& filter);

  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t size() const { return count_; }

  /// What was done, and what went wrong if anything did.
  std::optional<Fault> execute(BulkReply& done);

 private:
  Bulk bulk_;
  std::size_t count_ = 0;
};

}  // namespace pebbles::store::mongo
