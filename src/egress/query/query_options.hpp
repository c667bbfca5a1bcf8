#pragma once
#include <chrono>
#include <cstddef>
#include <string>

namespace pebbles::query {

struct QueryOptions {
  std::size_t limit_default = 1'000;
  std::size_t limit_max = 10'000;           ///< a larger `limit` is cut to this
  std::size_t items_max = 100;              ///< errors, and warnings, shown in a record
  std::size_t examined_max = 10'000;        ///< entries that a page of a list looks at
  std::chrono::seconds stalled_after{300};  ///< without an update, a file that is not completed is stalled
  std::string public_url = {};  ///< where clients reach the service, without a slash at the end; "": unknown
};

}  // namespace pebbles::query
