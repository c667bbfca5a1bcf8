#include <fmt/core.h>

#include "app/commands.hpp"
#include "app/open_store.hpp"
#include "retention/retention.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace pebbles::app {
namespace {

Result<retention::Report> apply(retention::Retention& retention, Pruning how) {
  PEBBLES_TRY(report, retention.run(how == Pruning::dry_run ? retention::Mode::dry_run : retention::Mode::at_once));
  if (how == Pruning::now) {
    PEBBLES_TRY(erased, retention.erase_deleted());
    report += erased;
  }
  return report;
}

/// With the store closed at the end.
Result<retention::Report> prune_store(const Config& config, Pruning how) {
  PEBBLES_TRY(opened, open_store(config));
  auto& store = *opened.store;
  std::vector<std::unique_ptr<store::EventStore>> lanes;
  lanes.push_back(store.writer());
  ingest::Ingest ingest{std::move(lanes), {}};
  store.on_upkeep([&ingest] { ingest.wake(); });
  retention::Retention retention{store.pruner(), ingest, config.retention};
  auto report = apply(retention, how);
  ingest.stop(config.shutdown_timeout);
  return report;
}

int refuse(std::string_view why) {
  fmt::print(stderr, "pebbles: {}\n", why);
  return 2;
}

}  // namespace

int prune(const Config& config, Pruning how) {
  const auto report = prune_store(config, how);
  if (!report) return refuse(report.error().detail);
  fmt::print("{}{} files deleted; {} events taken out of {} logs; {} tombstones removed\n",
             how == Pruning::dry_run ? "dry run, nothing was changed: " : "", report->files, report->events,
             report->logs, report->tombstones);
  if (const auto path = config.sqlite_path(); path && how == Pruning::now) {
    const auto bytes = store::compact_sqlite({.path = *path, .vfs = {}});
    if (!bytes) return refuse(bytes.error().detail);
    fmt::print("{} bytes in {}, all of them in use\n", *bytes, *path);
  }
  return report->left == 0 ? 0 : refuse(report->left_text());
}

}  // namespace pebbles::app
