#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "app/commands.hpp"
#include "app/open_store.hpp"

namespace pebbles::app {
namespace {

/// A line that moves on a terminal, and nothing elsewhere.
store::OnProgress progress_line(std::string_view what) {
  if (::isatty(STDERR_FILENO) == 0) return {};
  return [what = std::string{what}](std::int64_t done, std::int64_t total) {
    const auto percent = total > 0 ? 100 * done / total : 100;
    fmt::print(stderr, "\r{} {} of {} streams ({} %)", what, done, total, percent);
    if (done >= total) fmt::print(stderr, "\n");
    std::fflush(stderr);
  };
}

/// Keeps control characters of a tenant's texts off the terminal.
std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out.push_back(c);
  }
  return out;
}

void print_differences(const std::vector<store::Difference>& differences, std::int64_t count) {
  for (const auto& difference : differences)
    fmt::print("{} / {}: {}\n", printable(*difference.stream.client), printable(*difference.stream.filename),
               difference.what);
  if (std::cmp_greater(count, differences.size()))
    fmt::print("… and {} more\n", count - static_cast<std::int64_t>(differences.size()));
}

int fail(const Error& error) {
  fmt::print(stderr, "pebbles: {}\n", error.detail);
  return 2;
}

Result<store::KeptHeads> read_heads(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file) return failure(Errc::invalid_argument, fmt::format("{} cannot be read", path));
  auto read = store::KeptHeads::parse(text);
  if (!read) return failure(Errc::invalid_argument, fmt::format("{}: {}", path, read.error().detail));
  return read;
}

}  // namespace

int verify(const Config& config, const VerifyRequest& request) {
  const auto path = config.sqlite_path();
  store::VerifyOptions how{.on_progress = progress_line("verified")};
  std::optional<store::KeptHeads> kept;
  if (!request.heads.empty()) {
    auto read = read_heads(request.heads);
    if (!read) return fail(read.error());
    how.kept_heads = &kept.emplace(*std::move(read));
  }
  std::ofstream heads;
  if (!request.write_heads.empty()) {
    heads.open(request.write_heads, std::ios::binary | std::ios::trunc);
    how.on_proved = [&heads](const store::Snapshot& state) {
      std::string line;
      store::append_head(line, state);
      heads << line;
    };
  }
  const auto report =
      path ? store::verify_sqlite({.path = *path, .vfs = {}}, how) : store::verify_mongo(mongo_options(config), how);
  if (!report) return fail(report.error());
  if (!request.write_heads.empty() && !heads.flush())
    return fail({Errc::invalid_argument, fmt::format("{} cannot be written", request.write_heads)});
  print_differences(report->differences, report->differing);
  fmt::print("{} streams, {} chunks, {} events verified; {} differ", report->streams, report->chunks, report->events,
             report->differing);
  if (report->not_yet_written > 0)
    fmt::print("; {} snapshots are not yet written by the running server", report->not_yet_written);
  if (report->without_log > 0) fmt::print("; {} files are older than the log", report->without_log);
  if (kept && kept->cut() > 0) fmt::print("; {} heads are of what was cut off since", kept->cut());
  fmt::print("\n");
  return report->differing == 0 ? 0 : 1;
}

int rebuild(const Config& config) {
  const auto path = config.sqlite_path();
  const auto show = progress_line("rebuilt");
  const auto report = path ? store::rebuild_sqlite({.path = *path, .vfs = {}}, show)
                           : store::rebuild_mongo(mongo_options(config), show);
  if (!report) return fail(report.error());
  print_differences(report->failures, report->failed);
  fmt::print("{} streams; {} snapshots rewritten, {} left alone because their log contradicts itself\n",
             report->streams, report->rewritten, report->failed);
  if (report->without_log > 0)
    fmt::print("{} files are older than the log, and were left alone\n", report->without_log);
  if (report->quarantined > 0)
    fmt::print("{} records that cannot be read were moved to pebbles_quarantine\n", report->quarantined);
  return report->failed == 0 ? 0 : 1;
}

int backup(const Config& config, const std::string& file) {
  const auto path = config.sqlite_path();
  if (!path) {
    fmt::print(stderr, "pebbles: MongoDB has tools of its own for that, such as mongodump --oplog\n");
    return 2;
  }
  const auto bytes = store::backup_sqlite({.path = *path, .vfs = {}}, file);
  if (!bytes) return fail(bytes.error());
  fmt::print("{} bytes in {}\n", *bytes, file);
  return 0;
}

}  // namespace pebbles::app
