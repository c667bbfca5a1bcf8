#include "http/connection.hpp"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/header_text.hpp"
#include "base/trace_context.hpp"
#include "http/exchange.hpp"
#include "http/gzip.hpp"
#include "http/loop.hpp"
#include "http/request_id.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::http {

using asio::redirect_error;
using boost::system::error_code;

namespace {

using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::string_view any_origin = "*";
constexpr std::string_view head_end = "\r\n\r\n";
constexpr std::size_t small_body_bytes_max = 16UL << 10U;    // copied behind the head; a larger one is sent beside it
constexpr std::size_t kept_capacity_bytes_max = 2UL << 10U;  // what each string holds on to for the next request
constexpr std::size_t body_step_bytes_min = 64UL << 10U;     // a body that is larger than a small one begins with
constexpr std::size_t spare_bytes = 64;  // behind a body, so that a JSON parser may read past its end
constexpr std::size_t chunked_read_bytes_max = 16UL
                                               << 10U;  // what is left of such a read fits into a connection's buffer
constexpr std::chrono::seconds unhurried_head{1};       // for a long head where others wait for its room

void reuse(std::string& text) {
  text.clear();
  if (text.capacity() > kept_capacity_bytes_max) std::string{}.swap(text);
}

/// A member of its own in every error, so that who quotes the answer quotes what the log knows it by.
void name_in(Response& response, std::string_view request_id) {
  if (response.content_type != problem_type) return;
  response.body.back() = ',';
  response.body.append(R"("requestId":")").append(request_id).append(R"("})");  // it needs no escaping
}

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

}  // namespace

/// Tells of a request once nothing more can become of it.
struct Connection::Telling {
  const Connection& connection;
  int status;
  ~Telling() { connection.tell(status); }
};

Connection::Connection(Loop& loop, Socket socket)
    : loop_{loop}, socket_{std::move(socket)}, in_{loop.options().limits.head_bytes_max + ReadBuffer::first_bytes} {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  loop_.enter(*this);
}

Connection::~Connection() { loop_.leave(*this); }

Task<void> Connection::run() {
  bool open = true;
  while (open) {
    begin_request();
    Progress head{};
    while ((head = take_head()) == Progress::more) {
      begin_waiting_for_head();
      error_code failed;
      co_await socket_.async_wait(Socket::wait_read, redirect_error(use_task, failed));
      if (!receive_head()) break;
    }
    if (timed_out_ && !in_.empty()) refusal_ = {.status = 408};
    if (head != Progress::done && !refusal_) co_return;  // between requests a client may leave

    begun_ = std::chrono::steady_clock::now();
    request_id_ = request_id_of(!refusal_ ? request_->field(request_id_name) : std::string_view{});
    Response response;
    if (!refusal_) {
      response = co_await answer();
      name_in(response, request_id_);
      if (dress(response)) co_await compress(response);
      hold(response);
    } else {
      response = answer_of(refusal_);
      name_in(response, request_id_);
      // Of a head that could not be read to its end nobody knows the origin.
      loop_.options().cors.allow(response, request_ ? request_->field("Origin") : any_origin);
    }
    const auto stream = request_ && request_->method() != "HEAD" ? response.stream : nullptr;
    if (!stream) count(response.status);
    const Telling telling{.connection = *this, .status = response.status};
    if (gone_) co_return;
    open = !refusal_ && !response.close && !loop_.closing() && request_->keep_alive() && skip_body();
    if (stream && request_->http10()) open = false;  // the end of the connection is the body's
    prepare_answer(std::move(response), open);
    const bool head_is_written = co_await write();
    if (stream) {
      std::string cut;
      if (head_is_written) cut = co_await send_pieces(*stream);
      count(telling.status);
      if (!cut.empty()) co_return give_up(cut);
    }
    if (!head_is_written) co_return;
  }
  co_await linger();
}

void Connection::begin_request() {
  request_.reset();
  route_ = nullptr;
  reuse(body_);
  reuse(head_copy_);
  body_share_ = {};
  client_.clear();
  file_.clear();
  cancellation_.reset();
  sent_ = 0;
  before_ = 0;
  refusal_ = {};
  timed_out_ = false;
  continue_due_ = false;
  phase_ = Phase::idle;
  deadline_ = TimePoint::max();
  may_skip_line_ = true;
}

void Connection::enter_phase(Phase phase, std::chrono::milliseconds limit) {
  phase_ = phase;
  deadline_ = loop_.now() + limit;
  timed_out_ = false;
}

void Connection::begin_waiting_for_head() {
  const auto& deadlines = loop_.options().deadlines;
  if (in_.empty()) {
    if (in_.capacity() > ReadBuffer::first_bytes) in_.release();
    head_share_.reset();
    head_share_bytes_ = 0;
    enter_phase(Phase::idle, deadlines.idle);
  } else if (phase_ != Phase::head) {  // the whole head has one deadline, however it trickles in
    enter_phase(Phase::head, deadlines.head);
  }
}

Connection::Progress Connection::take_head() {
  const auto& limits = loop_.options().limits;
  if (may_skip_line_ && in_.data().starts_with("\r\n")) {
    in_.consume(2);
    may_skip_line_ = false;
  }
  const auto bytes = in_.data();
  if (bytes.empty()) return Progress::more;
  const auto* end = static_cast<const char*>(
      ::memmem(bytes.data(), std::min(bytes.size(), limits.head_bytes_max), head_end.data(), head_end.size()));
  if (end == nullptr) {
    refusal_ = RequestParser::judge_incomplete(bytes, limits);
    return refusal_ ? Progress::failed : Progress::more;
  }
  const auto head = bytes.substr(0, static_cast<std::size_t>(end - bytes.data()) + head_end.size());
  request_.emplace();
  refusal_ = request_->parse_head(in_.front(head.size()), limits);
  if (refusal_) return Progress::failed;
  // Handlers get views of the head. `in_` stays as it is until the answer unless more of the body has to be read.
  const auto behind = bytes.size() - head.size();
  const bool body_is_here =
      request_->is_done() || (request_->content_length() && *request_->content_length() <= behind);
  if (!body_is_here) {
    head_copy_ = head;
    request_->move_head(head_copy_.data());
    continue_due_ =
        behind == 0 && !request_->http10() && equal_ignoring_case(request_->field("Expect"), "100-continue");
  }
  in_.consume(head.size());
  if (in_.empty() && !body_is_here) in_.release();
  return Progress::done;
}

std::optional<std::size_t> Connection::read_some(std::span<char> room) {
  error_code failed;
  const auto count = socket_.read_some(asio::buffer(room.data(), room.size()), failed);
  if (failed == asio::error::would_block || failed == asio::error::interrupted) return 0;
  gone_ = failed.failed();
  if (gone_) return std::nullopt;
  window_bytes_ += count;
  return count;
}

bool Connection::receive() {
  if (timed_out_) return false;
  const auto room = in_.room();
  if (room.empty()) return false;
  const auto count = read_some(room);
  in_.commit(count.value_or(0));
  return count.has_value();
}

bool Connection::receive_head() {
  const auto wanted = in_.next_capacity();
  if (!timed_out_ && wanted > ReadBuffer::first_bytes && wanted > head_share_bytes_) {
    if (loop_.long_heads().is_spent()) {
      refusal_ = {.status = 503, .why = "Too many requests with long headers at once: retry it"};
      return false;
    }
    head_share_.reset();
    head_share_ = loop_.long_heads().take(wanted);
    head_share_bytes_ = wanted;
  }
  return receive();
}

bool Connection::receive_body(std::size_t bytes_max, FairBudget* budget, const std::string& requester) {
  if (!in_.empty()) return receive();  // a part of a chunk's frame, which the next bytes complete
  if (timed_out_) return false;
  // No more than belongs to the body, or fits into `in_`: what follows is the next request.
  auto room = loop_.scratch();
  const auto left = request_->content_length_remaining();
  room = room.first(left ? std::min<std::size_t>(*left, room.size()) : chunked_read_bytes_max);
  const auto count = read_some(room);
  if (!count) return false;
  const std::string_view bytes{room.data(), *count};
  if (!make_room_for_body(bytes.size(), bytes_max, budget, requester)) {
    refusal_ = {.status = 503};
    return true;
  }
  const auto taken = bytes.empty() ? 0 : request_->parse_body(bytes, body_, bytes_max, refusal_);
  return refusal_ || in_.append(bytes.substr(taken));
}

Task<Response> Connection::answer() {
  phase_ = Phase::handler;
  deadline_ = TimePoint::max();
  const bool asks_options = request_->method() == "OPTIONS";
  if (asks_options && request_->target() == "*") co_return options(loop_.router().methods());
  auto target = parse_target(request_->target());
  if (!target) co_return problem(400, target.error());
  if (target->path.size() > 1 && target->path.back().empty())
    co_return problem(404, "No such path: none here ends with a slash");
  auto match = loop_.router().find(request_->method(), target->path);
  if (match.handler == nullptr) {
    if (match.allow.empty()) co_return problem(404, "Not found");
    if (asks_options) co_return options(match.allow);
    auto response = problem(405, "Method not allowed");
    add_header(response, "Allow", match.allow);
    co_return response;
  }
  route_ = match.route;
  Exchange exchange{*this, *std::move(target), std::move(match.captures)};
  std::string surprise;
  try {
    co_return co_await (*match.handler)(exchange);
  } catch (const std::exception& exception) {
    surprise = exception.what();
  }
  telemetry::handler_threw(request_id_, surprise);
  auto response = problem(500, "Internal error");
  response.close = true;
  co_return response;
}

void Connection::count(int status) {
  auto& route = route_ != nullptr ? *route_ : loop_.router().no_route();
  route.answered(status, std::chrono::steady_clock::now() - begun_);
}

void Connection::note(std::string_view client, std::string_view file) {
  client_ = client;
  file_ = file;
}

void Connection::tell(int status) const {
  const bool is_fault = status == 500 || status == 503;
  if (!telemetry::is_logged(is_fault ? telemetry::Level::warn : telemetry::Level::debug)) return;
  telemetry::RequestFacts facts;
  facts.status = status;
  facts.took = std::chrono::steady_clock::now() - begun_;
  facts.bytes = before_ + sent_;
  facts.client = client_;
  facts.file = file_;
  facts.request_id = request_id_;
  TraceContext trace;
  if (request_ && request_->is_head_done()) {
    facts.method = request_->method();
    facts.path = path_of(request_->target());  // a query may hold what is nobody's business
    const bool is_clear = request_->count_of(traceparent_name) == 1;
    trace = parse_traceparent(is_clear ? request_->field(traceparent_name) : std::string_view{}).value_or(new_trace());
    facts.trace_id = trace.trace_id;
  }
  if (is_fault)
    telemetry::request_failed(facts);
  else
    telemetry::request_done(facts);
}

Response Connection::options(std::string_view methods) const {
  Response out{.status = 204, .content_type = {}, .headers = {}, .body = {}};
  add_header(out, "Allow", methods);
  if (!request_->field("Access-Control-Request-Method").empty())
    loop_.options().cors.allow_preflight(out, request_->field("Origin"), methods);
  return out;
}

bool Connection::dress(Response& response) const {
  if (request_->method() != "OPTIONS") loop_.options().cors.allow(response, request_->field("Origin"));
  const bool is_read = request_->method() == "GET" || request_->method() == "HEAD";
  if (is_worth_gzip(response) || (is_read && is_negotiated(response))) add_header(response, "Vary", "Accept-Encoding");
  if (!is_worth_gzip(response)) return false;
  if (!accepts_gzip(request_->combined("Accept-Encoding"))) return false;
  if (response.stream) {
    put_gzip_stream(response);
    return false;
  }
  if (response.body.size() > gzip_at_once_bytes_max) return true;
  put_gzip(response, gzip(response.body));
  return false;
}

Task<void> Connection::compress(Response& response) {
  auto work = [body = std::string_view{response.body}] { return gzip(body); };
  std::string anybody;
  auto compressed = co_await run_on(loop_.compressors(), std::move(anybody), std::move(work));
  if (compressed) put_gzip(response, *std::move(compressed));  // a busy worker is no reason to wait
}

Task<std::expected<std::string_view, Response>> Connection::read_body(std::size_t bytes_max, FairBudget* budget,
                                                                      std::string requester) {
  const auto announced = request_->content_length();
  if (announced && *announced > bytes_max) co_return std::unexpected{too_large(bytes_max)};
  const bool may_be_large = !announced || *announced > small_body_bytes_max;
  if (budget != nullptr && may_be_large &&
      !budget->has_room(requester, static_cast<std::size_t>(announced.value_or(body_step_bytes_min))))
    co_return std::unexpected{answer_of({.status = 503})};
  // What is only announced takes no memory yet.
  if (announced && !may_be_large) body_.reserve(*announced + spare_bytes);
  enter_phase(Phase::body, loop_.options().deadlines.body);
  window_bytes_ = 0;
  if (continue_due_) {
    continue_due_ = false;
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    sent_ = 0;
    co_await flush();
  }
  while (!gone_) {
    if (!make_room_for_body(in_.data().size(), bytes_max, budget, requester)) refusal_ = {.status = 503};
    if (refusal_ || take_body(bytes_max) != Progress::more) break;
    error_code failed;
    co_await socket_.async_wait(Socket::wait_read, redirect_error(use_task, failed));
    if (timed_out_) refusal_ = {.status = 408};
    // A full buffer that holds no complete piece of a chunked body is a trailer or an extension without end.
    else if (!receive_body(bytes_max, budget, requester) && !gone_)
      refusal_ = {.status = 400, .why = "Bad request: a trailer or an extension of a chunk is too long"};
    if (refusal_) break;
  }
  phase_ = Phase::handler;
  deadline_ = TimePoint::max();
  if (gone_ && !refusal_) refusal_ = {.status = 400};
  if (refusal_.status == 413) co_return std::unexpected{too_large(bytes_max)};
  if (refusal_) co_return std::unexpected{answer_of(refusal_)};
  co_return std::string_view{body_};
}

Connection::Progress Connection::take_body(std::size_t bytes_max) {
  if (!request_->is_done() && !in_.empty()) in_.consume(request_->parse_body(in_.data(), body_, bytes_max, refusal_));
  if (refusal_) return Progress::failed;
  return request_->is_done() ? Progress::done : Progress::more;
}

bool Connection::make_room_for_body(std::size_t more, std::size_t bytes_max, FairBudget* budget,
                                    const std::string& requester) {
  const auto wanted = std::min(body_.size() + more, bytes_max);
  if (request_->is_done() || wanted + spare_bytes <= body_.capacity()) return true;
  auto step = small_body_bytes_max;
  if (wanted > small_body_bytes_max) {
    const auto end = std::min<std::uint64_t>(request_->content_length().value_or(bytes_max), bytes_max);
    step = std::max(wanted, std::min<std::size_t>(std::max(2 * body_.size(), body_step_bytes_min), end));
    // All that was announced is taken at once: of bodies that grow side by side none might come to its end.
    const auto share = std::max(step, static_cast<std::size_t>(request_->content_length().value_or(0)));
    if (budget != nullptr && !take_share(*budget, requester, share)) return false;
  }
  std::string grown;  // `reserve` of a string that has grown takes twice what it had
  grown.reserve(step + spare_bytes);
  grown = std::string_view{body_};
  body_ = std::move(grown);
  return true;
}

bool Connection::take_share(FairBudget& budget, const std::string& requester, std::size_t bytes) {
  if (bytes <= body_share_.bytes()) return true;
  if (body_share_.bytes() > 0) return budget.grow(body_share_, bytes);
  auto taken = budget.take(requester, bytes, FairBudget::Use::body);
  if (!taken) return false;
  body_share_ = *std::move(taken);
  return true;
}

void Connection::drop_body() {
  body_ = {};
  body_share_ = {};
}

/// Gets a body that no handler wanted out of the way. False when that isn't possible at once.
bool Connection::skip_body() {
  if (request_->is_done()) return true;
  const auto length = request_->content_length();
  return body_.empty() && length && *length <= in_.data().size() && take_body(in_.data().size()) == Progress::done;
}

Response Connection::answer_of(const Refusal& refusal) {
  std::string_view text = "Bad request";
  switch (refusal.status) {
    case 408: text = "The request took too long"; break;
    case 413: text = "The body is too large"; break;
    case 414: text = "The path is too long"; break;
    case 431: text = "The headers are too large"; break;
    case 501: text = "Method not implemented"; break;
    case 503: text = "Too many large requests at once; nothing of this one was counted: retry it"; break;
    case 505: text = "Only HTTP/1.0 and HTTP/1.1 are spoken here"; break;
    default: break;
  }
  if (!refusal.why.empty()) text = refusal.why;
  auto out = refusal.status == 503 ? try_later(text) : problem(refusal.status, text);
  out.close = true;
  return out;
}

Response Connection::too_large(std::size_t bytes_max) {
  auto out = problem(413, "The body is too large: at most " + std::to_string(bytes_max) + " bytes are accepted here");
  out.close = true;
  return out;
}

void Connection::prepare_answer(Response response, bool keep_alive) {
  reuse(out_);
  out_body_.clear();
  sent_ = 0;
  add_header(response, request_id_name, request_id_);
  const bool http10 = request_ && request_->http10();
  append_head(out_, response, {.date_line = loop_.date_line(), .http10 = http10, .keep_alive = keep_alive});
  if (request_ && request_->method() == "HEAD") return;
  if (response.body.size() <= small_body_bytes_max)
    out_ += response.body;
  else
    out_body_ = std::move(response.body);
  share_ = std::move(response.share);
}

void Connection::hold(Response& response) {
  if (response.share || response.body.size() <= small_body_bytes_max || request_->method() == "HEAD") return;
  if (!loop_.long_answers().is_spent()) {
    response.share = loop_.long_answers().take(response.body.capacity());
    return;
  }
  response = try_later("Too many long answers wait to be read by their clients");
  name_in(response, request_id_);
  loop_.options().cors.allow(response, request_->field("Origin"));
}

Connection::Progress Connection::send() {
  const auto before = sent_;
  const auto progress = send_some();
  window_bytes_ += sent_ - before;
  if (progress != Progress::done) return progress;
  out_body_ = {};
  share_.reset();
  return progress;
}

Connection::Progress Connection::send_some() {
  error_code failed;
  while (sent_ < out_.size() + out_body_.size()) {
    const auto head_left = std::string_view{out_}.substr(std::min(sent_, out_.size()));
    if (out_body_.empty()) {
      sent_ += socket_.write_some(asio::buffer(head_left.data(), head_left.size()), failed);
    } else {
      const auto body_left = std::string_view{out_body_}.substr(sent_ - std::min(sent_, out_.size()));
      const std::array<asio::const_buffer, 2> both{asio::buffer(head_left.data(), head_left.size()),
                                                   asio::buffer(body_left.data(), body_left.size())};
      sent_ += socket_.write_some(both, failed);
    }
    if (failed == asio::error::would_block) return Progress::more;
    if (failed && failed != asio::error::interrupted) {
      gone_ = true;
      return Progress::failed;
    }
  }
  return Progress::done;
}

Task<void> Connection::flush() {
  while (send() == Progress::more && !timed_out_) {
    error_code failed;
    co_await socket_.async_wait(Socket::wait_write, redirect_error(use_task, failed));
  }
}

Task<bool> Connection::write() {
  enter_phase(Phase::write, loop_.options().deadlines.write);
  window_bytes_ = 0;
  co_return co_await send_all();
}

Task<bool> Connection::write_in_window() {
  enter_phase(Phase::write, window_left_);
  const bool is_written = co_await send_all();
  window_left_ = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - loop_.now());
  co_return is_written;
}

Task<bool> Connection::send_all() {
  Progress sent{};
  while ((sent = send()) == Progress::more) {
    error_code failed;
    co_await socket_.async_wait(Socket::wait_write, redirect_error(use_task, failed));
    if (timed_out_) co_return false;
  }
  co_return sent == Progress::done;
}

Task<std::string> Connection::send_pieces(StreamedBody& body) {
  in_pieces_ = true;
  window_bytes_ = 0;
  window_left_ = loop_.options().deadlines.stream;
  for (bool more = true; more;) {
    std::string piece;
    phase_ = Phase::handler;
    deadline_ = TimePoint::max();
    auto made = co_await make_piece(body, piece);
    if (!made) co_return std::move(made).error().detail;
    more = *made;
    // A chunk of no bytes would be the last.
    const bool is_written = (piece.empty() && more) || co_await write_piece(std::move(piece), more);
    if (is_written && !(more && loop_.cutting())) continue;
    co_return loop_.cutting() ? "the server stops" : timed_out_ ? "its client reads too slowly" : "its client has gone";
  }
  in_pieces_ = false;
  co_return std::string{};
}

void Connection::give_up(std::string_view why) {
  telemetry::answer_cut(request_id_, why);
  if (!request_->http10()) return;
  // A closed connection is the end of a whole answer there: only a reset one is not.
  error_code ignored;
  socket_.set_option(Socket::linger{true, 0}, ignored);
  socket_.close(ignored);  // the destructor would take the option back
}

Task<bool> Connection::write_piece(std::string piece, bool more) {
  before_ += sent_;
  sent_ = 0;
  out_.clear();
  if (!request_->http10()) {
    if (!piece.empty()) fmt::format_to(std::back_inserter(out_), "{:x}\r\n", piece.size());
    piece += piece.empty() ? "0\r\n\r\n" : more ? "\r\n" : "\r\n0\r\n\r\n";
  }
  out_body_ = std::move(piece);
  co_return co_await write_in_window();
}

Task<Result<bool>> Connection::make_piece(StreamedBody& body, std::string& piece) {
  // A pool that is full has other work to do first; who reads by now has waited for a while and can wait a little more.
  constexpr std::chrono::milliseconds pause{50};
  Timer timer{loop_.executor()};
  const auto until = std::chrono::steady_clock::now() + loop_.options().deadlines.write;
  std::string surprise;
  try {
    while (!loop_.cutting()) {
      auto work = [source = body.source.get(), &piece] { return source->next(piece); };
      auto asker = body.asker;
      auto made = co_await run_on(body.pool, std::move(asker), std::move(work));
      if (made) co_return *std::move(made);
      if (std::chrono::steady_clock::now() > until) break;
      error_code cancelled;
      timer.expires_after(pause);
      co_await timer.async_wait(redirect_error(use_task, cancelled));
    }
    surprise = loop_.cutting() ? "the server stops" : "no thread was free to make its next piece";
  } catch (const std::exception& exception) {
    surprise = exception.what();
  }
  co_return failure(Errc::internal, std::move(surprise));
}

/// Closing with unread bytes would reset the connection, and the client might never see the answer (RFC 9112,
/// section 9.6): so say that nothing follows, and let the client finish, within bounds. Many clients read no answer
/// before they have sent the whole body.
Task<void> Connection::linger() {
  error_code failed;
  socket_.shutdown(Socket::shutdown_send, failed);
  const auto& options = loop_.options();
  auto dropped = in_.data().size();
  in_.consume(dropped);
  release_buffers();
  const auto begun = loop_.now();
  const auto is_over = [&] {
    const auto limit = loop_.closing() ? options.deadlines.linger_idle : options.deadlines.linger;
    return loop_.now() - begun > limit || dropped > options.linger_bytes_max;
  };
  window_bytes_ = 0;
  enter_phase(Phase::linger, options.deadlines.linger_idle);
  while (!failed && !is_over()) {
    co_await socket_.async_wait(Socket::wait_read, redirect_error(use_task, failed));
    if (failed || timed_out_) break;
    const auto count = read_some(loop_.scratch());
    if (!count) break;
    dropped += *count;
  }
}

void Connection::release_buffers() {
  in_.release();
  head_share_.reset();
  head_share_bytes_ = 0;
  body_share_ = {};
  for (auto* text : {&head_copy_, &body_, &out_, &out_body_})
    if (text->capacity() > std::string{}.capacity()) std::string{}.swap(*text);
}

bool Connection::is_hogging(TimePoint now) const {
  return phase_ == Phase::head && head_share_ && loop_.long_heads().is_half_spent() &&
         now > deadline_ - loop_.options().deadlines.head + unhurried_head;
}

bool Connection::is_fast_enough(std::chrono::milliseconds window) {
  const auto wanted = loop_.options().deadlines.bytes_per_second_min * static_cast<std::size_t>(window.count());
  if (window_bytes_ * 1000 < wanted) return false;
  window_bytes_ = 0;
  deadline_ = loop_.now() + window;
  return true;
}

bool Connection::has_client_left() {
  char byte = 0;
  const auto count = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
}

std::string Connection::peer() const {
  error_code failed;
  const auto endpoint = socket_.remote_endpoint(failed);
  return failed ? std::string{} : endpoint.address().to_string();
}

std::shared_ptr<const Cancellation> Connection::cancellation() {
  if (!cancellation_) cancellation_ = std::make_shared<Cancellation>(loop_.cutting_flag());
  return cancellation_;
}

void Connection::expire(TimePoint now) {
  if (phase_ == Phase::idle && in_.empty() && in_.capacity() > 0) release_buffers();
  if (phase_ == Phase::handler && cancellation_ && has_client_left()) cancellation_->cancel();
  if (now < deadline_ && !is_hogging(now)) return;
  const auto& deadlines = loop_.options().deadlines;
  if (phase_ == Phase::body && is_fast_enough(deadlines.body)) return;
  if (phase_ == Phase::linger && is_fast_enough(deadlines.linger_idle)) return;
  if (phase_ == Phase::write && is_fast_enough(in_pieces_ ? deadlines.stream : deadlines.write)) return;
  time_out();
}

void Connection::time_out() {
  deadline_ = TimePoint::max();
  timed_out_ = true;
  error_code ignored;
  socket_.cancel(ignored);
}

void Connection::cut() {
  if (phase_ == Phase::write && in_pieces_) time_out();
}

void Connection::close_if_idle() {
  if (phase_ == Phase::idle && in_.empty()) time_out();
}

}  // namespace pebbles::http
