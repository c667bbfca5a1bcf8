#pragma once
#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "domain/values.hpp"

namespace pebbles::retention {

/// For how many days something is kept; nothing: for ever.
using Days = std::optional<std::chrono::days>;

/// One rule for everybody, and others for clients by name.
struct Rule {
  Days all = {};
  std::map<std::string, Days, std::less<>> by_client = {};
};

struct Rules {
  Rule files = {};   ///< completed ones, since their completion
  Rule events = {};  ///< in the log of files that are still there
  /// What a redelivery to a deleted file is recognised by. At least 15 days: SQS keeps messages for 14.
  std::chrono::days tombstones{90};
};

}  // namespace pebbles::retention
