#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace pebbles::http {

/// The memory that large requests may hold together: their bodies, and what is read from them. A requester is who is
/// accountable for a request, such as the owner of its token, however many names it uses.
/// - Bodies take three quarters of it at most, so that what has come can be read whatever is still to come.
/// - Of bodies one requester has at most as much as it leaves free, so another always finds room. Its first bytes it
/// has
///   as long as anything is free.
/// - The same holds of what is read. But one portion each requester may have: what has come is brought to its end.
/// Threads: any. Lifetime: outlives what was taken of it.
class FairBudget {
 public:
  /// Of bodies, what a requester may have as long as anything is free.
  static constexpr std::size_t first_bytes_max = 2UL << 20U;

  enum class Use : std::uint8_t { body, reading };

  /// So much of the budget, until it is destroyed. Move-only; an empty one holds nothing.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept { swap(other); }
    Share& operator=(Share&& other) noexcept {
      Share taken{std::move(other)};
      swap(taken);
      return *this;
    }
    ~Share() {
      if (budget_ != nullptr) budget_->give_back(requester_, bytes_, use_);
    }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    /// Gives back what is beyond `bytes`.
    void shrink_to(std::size_t bytes);

   private:
    friend class FairBudget;
    Share(FairBudget& budget, std::string requester, std::size_t bytes, Use use)
        : budget_{&budget}, requester_{std::move(requester)}, bytes_{bytes}, use_{use} {}
    void swap(Share& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(requester_, other.requester_);
      std::swap(bytes_, other.bytes_);
      std::swap(use_, other.use_);
    }

    FairBudget* budget_ = nullptr;
    std::string requester_;
    std::size_t bytes_ = 0;
    Use use_ = Use::body;
  };

  explicit FairBudget(std::size_t bytes_max) : bytes_max_{bytes_max} {}
  FairBudget(const FairBudget&) = delete;
  FairBudget& operator=(const FairBudget&) = delete;

  /// Whether so much more of a body should be begun for this requester.
  [[nodiscard]] bool has_room(const std::string& requester, std::size_t bytes) const;

  /// Takes so much before it is used. Nullopt: there is no room for it now.
  [[nodiscard]] std::optional<Share> take(const std::string& requester, std::size_t bytes, Use use);
  /// Makes a share of a body larger. False, and it is as it was, where there is no room.
  [[nodiscard]] bool grow(Share& share, std::size_t bytes);

  [[nodiscard]] bool is_unused() const;
  /// Bytes that are taken. For metrics and tests.
  [[nodiscard]] std::size_t used() const;

 private:
  struct Taken {
    std::size_t bytes = 0;
    std::size_t shares = 0;
  };
  struct Uses {
    Taken bodies;
    Taken readings;
    [[nodiscard]] Taken& of(Use use) { return use == Use::body ? bodies : readings; }
  };

  [[nodiscard]] bool fits(const Uses& own, std::size_t bytes, Use use) const;
  void give_back(const std::string& requester, std::size_t bytes, Use use);

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  Uses all_;
  std::unordered_map<std::string, Uses> requesters_;
};

}  // namespace pebbles::http
