#include <fmt/core.h>

#include "app/commands.hpp"
#include "app/open_store.hpp"
#include "retention/retention.hpp"

namespace pebbles::app {

int prune(const Config& config, bool dry_run) {
  auto opened = open_store(config);
  if (!opened) {
    fmt::print(stderr, "pebbles: {}\n", opened.error().detail);
    return 2;
  }
  auto& store = *opened->store;
  std::vector<std::unique_ptr<store::EventStore>> lanes;
  lanes.push_back(store.writer());
  ingest::Ingest ingest{std::move(lanes), {}};
  store.on_upkeep([&ingest] { ingest.wake(); });
  retention::Retention retention{store.pruner(), ingest, config.retention};
  const auto report = retention.run(dry_run ? retention::Mode::dry_run : retention::Mode::at_once);
  ingest.stop(config.shutdown_timeout);
  if (!report) {
    fmt::print(stderr, "pebbles: {}\n", report.error().detail);
    return 2;
  }
  fmt::print("{}{} files deleted; {} events taken out of {} logs; {} tombstones removed\n",
             dry_run ? "dry run, nothing was changed: " : "", report->files, report->events, report->logs,
             report->tombstones);
  if (report->left == 0) return 0;
  fmt::print(stderr, "pebbles: {}\n", report->left_text());
  return 2;
}

}  // namespace pebbles::app
