#pragma once
#include <memory>

#include "access/guard.hpp"

namespace pebbles::query {

/// Who may read.
struct ReadAccess {
  std::shared_ptr<access::Guard> guard;  ///< its loop's; never null
  bool is_public = true;                 ///< nobody needs a token; one that verifies tells who shares with whom
};

}  // namespace pebbles::query
