#pragma once
#include <cstdint>

#include "store/mongo/shared.hpp"

namespace pebbles::store::mongo {

/// Brings documents of earlier services and versions up to what is looked for, in place: times that are texts become
/// dates, each gets its state, and a completed one the time of that. No index finds them, so it walks through all of
/// `progress`, a page at a time, and judges them here. Threads: one at a time.
class Conversion {
 public:
  Conversion() { begin(); }
  /// Takes the next page; false at the end of a walk, and the next call begins another. A page is as large as lately
  /// went fast, and small again after a failure: documents of the earlier service may be of any size. Error:
  /// store_unavailable; the next call begins where this one did.
  Result<bool> step(Shared& shared, const Lease& lease);

 private:
  static constexpr std::int64_t page_min = 100;
  static constexpr std::int64_t page_max = 2'000;

  void begin();
  Result<bool> convert_page(mongoc_collection_t* progress);

  Bson from_;                                   ///< {_id: of the last one that was looked at}
  std::int64_t looked_at_ = 0, converted_ = 0;  ///< in this walk
  std::int64_t page_ = page_min;
};

}  // namespace pebbles::store::mongo
