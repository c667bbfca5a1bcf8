#include "telemetry/unreadable.hpp"

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>

#include "telemetry/log_line.hpp"
#include "telemetry/registry.hpp"

namespace pebbles::telemetry {
namespace {

/// The records that were met lately.
class UnreadableRecords {
 public:
  /// True where nobody has said so lately.
  bool met(std::string_view client, std::string_view filename, std::string_view what) {
    using std::chrono::steady_clock;
    const auto now = steady_clock::now();
    const std::lock_guard lock{mutex_};
    purge(now);
    std::string name;
    name.append(client).append(1, '\0').append(filename).append(1, '\0').append(what);
    const auto key = std::hash<std::string>{}(name);
    auto known = records_.find(key);
    if (known == records_.end()) {
      if (records_.size() >= records_max) return false;
      known = records_.emplace(key, Times{.said = now - kept_for, .met = now}).first;
      gauge_.Set(static_cast<double>(records_.size()));
    }
    known->second.met = now;
    if (now - known->second.said < kept_for) return false;
    known->second.said = now;
    return true;
  }

  void refresh() {
    const std::lock_guard lock{mutex_};
    purge(std::chrono::steady_clock::now());
  }

 private:
  static constexpr std::chrono::minutes kept_for{10};
  static constexpr std::size_t records_max = 10'000;

  struct Times {
    std::chrono::steady_clock::time_point said;
    std::chrono::steady_clock::time_point met;
  };

  void purge(std::chrono::steady_clock::time_point now) {
    if (now < next_purge_) return;
    next_purge_ = now + std::chrono::seconds{1};
    std::erase_if(records_, [&](const auto& entry) { return now - entry.second.met >= kept_for; });
    gauge_.Set(static_cast<double>(records_.size()));
  }

  std::mutex mutex_;
  std::unordered_map<std::size_t, Times> records_;  ///< by the hash of their names
  std::chrono::steady_clock::time_point next_purge_;
  prometheus::Gauge& gauge_ =
      gauge("pebbles_unreadable_records", "Stored records that were met in the last ten minutes and cannot be read.");
};

UnreadableRecords& unreadable_records() {
  static UnreadableRecords all;
  return all;
}

}  // namespace

void record_unreadable(std::string_view client, std::string_view filename, std::string_view what) {
  if (!unreadable_records().met(client, filename, what)) return;
  static RepeatedEvent kind{Level::error, "record_unreadable"};
  kind.say({{"client", client}, {"file", filename}, {"what", what}});
}

void refresh_unreadable_records() { unreadable_records().refresh(); }

}  // namespace pebbles::telemetry
