#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace pebbles::telemetry {

/// Decides which few of any number of clients are counted by name: those with the most failures. Bounded: it remembers
/// as many clients again that are not named yet, by the space-saving sketch (Metwally, Agrawal, El Abbadi: Efficient
/// computation of frequent and top-k elements in data streams, 2005), so that clients that come once, however many they
/// are, displace nobody. Threads: one at a time.
class TopClients {
 public:
  explicit TopClients(std::size_t named_max) : named_max_{named_max} {}

  struct Counted {
    bool named = false;                      ///< this failure counts by name, from now on; else as one of the rest
    std::optional<std::string> leaves = {};  ///< is not named any more: its place was taken
  };
  Counted count(std::string_view client);

 private:
  /// Failures that a client certainly had lie between `count - error` and `count`.
  struct Seen {
    std::int64_t count = 0;
    std::int64_t error = 0;
    [[nodiscard]] std::int64_t certain() const { return count - error; }
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Clients = std::unordered_map<std::string, Seen, Hash, std::equal_to<>>;

  Clients::iterator candidate(std::string_view client);

  std::size_t named_max_;
  Clients named_;
  Clients candidates_;
};

}  // namespace pebbles::telemetry
