#pragma once
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "store/maintenance.hpp"
#include "store/pruner.hpp"
#include "store/store.hpp"

namespace pebbles::store {

/// What pruning waits for. Other values are for tests, where nobody else is under way.
struct PruneWaits {
  /// Only chunks that are older are cut: an instance that stood still in the middle of a commit must not find a version
  /// free when it goes on.
  std::chrono::seconds age{3600};
  /// From the baseline to the removal of what it stands for: whoever has read the log's beginning before reads on.
  std::chrono::seconds grace{60};
  /// For so long a baseline stays after a commit was about to begin a new life on it.
  std::chrono::seconds held{24 * 3600};
  std::chrono::seconds keys{keys_stay};
};

struct MongoOptions {
  std::string uri = "mongodb://localhost:27017/pebbles";
  std::size_t pool_size = 32;  ///< clients, each with a connection per server, unless the URI's maxPoolSize says
  /// Only for the control of the fault tests: writes are acknowledged before a majority has them, and get lost.
  bool weak_writes = false;
  PruneWaits prune_waits = {};
};

/// The scale-out store: any number of instances share a database. Collections `progress` and `progress_events`
/// (docs/log-format.md), and `pebbles_instances`, where running instances say which commits they have open.
class MongoStore : public Store {
 public:
  /// Does not need a server: while there is none, commits and reads are store_unavailable, and it is tried again in the
  /// background. Errors: invalid_argument for a URI that is none or asks for weaker writes; store_corrupt for a server
  /// that answers and is too old, or an index there that contradicts ours.
  static Result<std::unique_ptr<MongoStore>> open(MongoOptions options);
};

/// As `verify_sqlite`; documents of the earlier service have no log and are counted apart.
[[nodiscard]] Result<VerifyReport> verify_mongo(const MongoOptions& options, const VerifyOptions& how);

/// As `rebuild_sqlite`, beside running servers.
[[nodiscard]] Result<RebuildReport> rebuild_mongo(const MongoOptions& options, const OnProgress& on_progress);

}  // namespace pebbles::store
