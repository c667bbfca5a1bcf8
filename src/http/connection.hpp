#pragma once
#include <array>
#include <boost/intrusive/list_hook.hpp>
#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "http/cancellation.hpp"
#include "http/fair_budget.hpp"
#include "http/read_buffer.hpp"
#include "http/request_parser.hpp"
#include "http/response.hpp"
#include "http/router.hpp"
#include "http/task.hpp"

namespace pebbles::http {

class Loop;

/// One client's connection: reads a request, has it answered, writes the answer, and so on. Parsing comes before
/// waiting, so that pipelined requests need no system call, and answers go out in order. An idle one keeps no buffer:
/// at most 12 KiB in all, its coroutines included. Threads: its loop's.
class Connection : public boost::intrusive::list_base_hook<> {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  Connection(Loop& loop, Socket socket);
  ~Connection();

  /// Until the connection's end.
  Task<void> run();

  /// Ends what takes too long: a request that was begun gets a 408, a handler may take its time. Called with each tick
  /// of the loop, while the connection waits; an idle one gives its buffers back.
  void expire(TimePoint now);
  void close_if_idle();
  /// Ends an answer that is being streamed.
  void cut();

  // For Exchange.
  [[nodiscard]] const RequestParser& request() const { return *request_; }
  Task<std::expected<std::string_view, Response>> read_body(std::size_t bytes_max, FairBudget* budget,
                                                            std::string requester);
  void drop_body();
  [[nodiscard]] std::string peer() const;
  [[nodiscard]] std::shared_ptr<const Cancellation> cancellation();
  void note(std::string_view client, std::string_view file);

 private:
  struct Telling;

  enum class Phase : std::uint8_t { idle, head, body, handler, write, linger };
  enum class Progress : std::uint8_t { done, more, failed };

  void begin_request();
  void enter_phase(Phase phase, std::chrono::milliseconds limit);
  void begin_waiting_for_head();
  Progress take_head();
  bool receive();
  /// The same within what heads may hold in all.
  bool receive_head();
  /// The same for a body, which does not stay in `in_`.
  bool receive_body(std::size_t bytes_max, FairBudget* budget, const std::string& requester);
  /// What one read from the socket brought; nothing where the client has gone.
  std::optional<std::size_t> read_some(std::span<char> room);
  Progress take_body(std::size_t bytes_max);
  /// Before `more` bytes are taken: has the body's memory grow for them, by steps that double, up to what was
  /// announced. False when `budget` has no room of the requester's for the next step.
  bool make_room_for_body(std::size_t more, std::size_t bytes_max, FairBudget* budget, const std::string& requester);
  bool take_share(FairBudget& budget, const std::string& requester, std::size_t bytes);
  bool skip_body();
  Progress send();
  Progress send_some();
  void prepare_answer(Response response, bool keep_alive);
  /// Takes room for a long answer, or puts a 503 in its place: who reads slowly must not fill the memory.
  void hold(Response& response);
  [[nodiscard]] static Response answer_of(const Refusal& refusal);
  /// Of a body above the bound.
  [[nodiscard]] static Response too_large(std::size_t bytes_max);
  void release_buffers();
  /// Ends what the connection waits for.
  void time_out();
  /// Whether what was received or sent in the last `window` keeps the least rate; if so, the next one begins.
  bool is_fast_enough(std::chrono::milliseconds window);
  /// Whether others need the room that a head which is not complete holds.
  [[nodiscard]] bool is_hogging(TimePoint now) const;
  /// It has closed the connection, or its side of it.
  [[nodiscard]] bool has_client_left();
  Task<Response> answer();
  /// Counts what the handler, or whoever refused, has answered.
  void count(int status);
  /// A line of the log about the request and what was answered.
  void tell(int status) const;
  [[nodiscard]] Response options(std::string_view methods) const;
  /// Adds what follows from the request, whatever was answered. True when the body is still to be compressed, and is
  /// too long for a loop to do it.
  [[nodiscard]] bool dress(Response& response) const;
  Task<void> compress(Response& response);
  Task<void> flush();
  /// What `out_` and `out_body_` hold. False when the client has gone, or reads too slowly.
  Task<bool> write();
  /// The same for a piece of a stream, whose least rate is measured over all pieces.
  Task<bool> write_in_window();
  Task<bool> send_all();
  /// The pieces of a streamed body, each made when the one before was taken. Why it was cut short, or "".
  Task<std::string> send_pieces(StreamedBody& body);
  void give_up(std::string_view why);
  Task<bool> write_piece(std::string piece, bool more);
  Task<Result<bool>> make_piece(StreamedBody& body, std::string& piece);
  Task<void> linger();

  Loop& loop_;
  Socket socket_;
  ReadBuffer in_;
  std::optional<RequestParser> request_;
  std::shared_ptr<const void> head_share_;  ///< what a long head takes of a budget
  std::size_t head_share_bytes_ = 0;
  std::string head_copy_;  ///< of a head whose body is still to come: `in_` moves while it does
  std::string body_;
  FairBudget::Share body_share_;                ///< what it takes of a budget
  std::string out_;                             ///< the answer's head, and its body when that is small
  std::string out_body_;                        ///< a large body
  std::shared_ptr<const void> share_;           ///< what it takes of a budget
  std::size_t sent_ = 0;                        ///< of `out_` and `out_body_`
  std::size_t before_ = 0;                      ///< sent of the same answer before them
  std::size_t window_bytes_ = 0;                ///< received or sent since the phase's present time began
  telemetry::HttpRoute* route_ = nullptr;       ///< of the request; null when no handler has it
  std::shared_ptr<Cancellation> cancellation_;  ///< of what the handler does, where that may take long
  std::string request_id_;
  std::string client_;  ///< as this and the next, what a handler noted: for the log
  std::string file_;
  TimePoint begun_;  ///< when its head was there
  TimePoint deadline_ = TimePoint::max();
  std::chrono::milliseconds window_left_{};  ///< of a stream's present time, while its next piece is made
  Phase phase_ = Phase::idle;
  Refusal refusal_;            ///< what is wrong with the framing
  bool may_skip_line_ = true;  ///< some clients send an empty line behind a body (RFC 9112, section 2.2)
  bool timed_out_ = false;     ///< the present phase took too long
  bool in_pieces_ = false;     ///< the answer is being streamed
  bool gone_ = false;          ///< nobody reads answers any more
  bool continue_due_ = false;  ///< the client waits for a 100 before it sends the body
};

}  // namespace pebbles::http
