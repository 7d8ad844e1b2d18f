// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/http_server.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <string_view>
#include <thread>

#include "runtime/router/answer.hpp"
#include "runtime/router/answer_json.hpp"
#include "runtime/router/api_body.hpp"
#include "runtime/router/api_request.hpp"
#include "runtime/router/connection_server.hpp"
#include "runtime/router/disconnect_watch.hpp"
#include "runtime/telemetry/timeline_json.hpp"

namespace sluice::runtime {
namespace {

using httplib::Request;
using httplib::Response;

// A prompt of a million tokens is about 5 MB of text, and JSON may escape every character.
constexpr std::size_t kBodyBytesMax = std::size_t{32} << 20;
constexpr std::size_t kRequestIdBytesMax = 256;
// What is not served within an hour is not worth waiting for.
constexpr double kRetryAfterMaxS = 3600.0;
constexpr int kOk = 200;
constexpr int kClientHungUp = 499;  // as nginx has it; nobody gets it
constexpr const char* kJson = "application/json";
constexpr const char* kMetricsText = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kWrongEncoding =
    "the request body may be compressed by gzip, deflate or br only";

std::int64_t now_s() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}

std::uint64_t random_number() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random();
}

std::string random_id(const char* prefix) {
  std::string id = prefix;
  for (std::uint64_t number = random_number(), digit = 0; digit < 16; ++digit, number >>= 4) {
    id += "0123456789abcdef"[number & 15U];
  }
  return id;
}

// `retry_after_s`: of a 429, rounded up to whole seconds, at least one.
void answer_error(Response& response, int status, const Error& error, double retry_after_s = 0.0) {
  response.status = status;
  if (status == 429) {
    const bool is_longer = retry_after_s > 1.0;
    const double seconds = is_longer ? std::ceil(std::min(retry_after_s, kRetryAfterMaxS)) : 1.0;
    response.set_header("Retry-After", std::to_string(static_cast<std::int64_t>(seconds)));
  }
  response.set_content(error_json(status, error), kJson);
}

void answer_error(Response& response, const Error& error) {
  answer_error(response, http_status(error.code), error);
}

// The library decodes %0d%0a in header values, so what is echoed must be checked.
bool is_harmless(const std::string& text) {
  for (const char letter : text) {
    if (letter <= 0x20 || letter >= 0x7f) return false;
  }
  return !text.empty() && text.size() <= kRequestIdBytesMax;
}

bool is_known_encoding(const std::string& encoding) {
  return encoding.empty() || encoding == "identity" || encoding == "gzip" ||
         encoding == "deflate" || encoding == "br";
}

// A request at work. The members go in reverse: the watch ends before what it cancels.
struct Work {
  AnswerHead head;
  Usage usage;
  bool include_usage = false;
  bool include_usage_always = false;
  bool with_timings = false;
  int status = kClientHungUp;  // until there is an end
  std::function<void(int)> on_answered;
  std::atomic<bool> is_hung_up{false};
  std::unique_ptr<Answer> answer;
  std::unique_ptr<DisconnectWatch::Guard> guard;

  Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  ~Work() {
    if (on_answered) on_answered(status);
  }

  Result<AnswerPiece> next() {
    Result<AnswerPiece> piece = answer->next();
    usage.completion_tokens = answer->tokens();
    if (!piece && is_hung_up) {
      return make_error(ErrorCode::kCancelled, "the client hung up or the server is stopping");
    }
    if (!piece) status = http_status(piece.error().code);
    return piece;
  }

  // Of the last piece, where they were asked for.
  std::string timings(const AnswerPiece& piece) const {
    const bool is_due = with_timings && piece.finish != FinishReason::kNone;
    return is_due ? timeline_json(answer->timeline()) : std::string();
  }
};

class HttpServerImpl : public HttpServer {
 public:
  HttpServerImpl(Generator& generator, const Tokenizer& tokenizer, ModelInfo model,
                 std::unique_ptr<DisconnectWatch> watch, const HttpOptions& options)
      : generator_(generator),
        tokenizer_(tokenizer),
        model_(std::move(model)),
        watch_(std::move(watch)),
        metrics_(options.metrics),
        on_answered_(options.on_answered),
        server_(options.connections_max, options.request_time_max) {}
  ~HttpServerImpl() override { stop(); }

  Status listen(const RouterConfig& config) {
    server_.set_payload_max_length(kBodyBytesMax);
    route();
    errno = 0;
    int port = config.port;
    if (port == 0) {
      port = server_.bind_to_any_port(config.host);
    } else if (!server_.bind_to_port(config.host, port)) {
      port = -1;
    }
    if (port < 0) {
      const std::string why = errno != 0 ? std::string(": ") + std::strerror(errno) : "";
      return make_error(ErrorCode::kUnavailable, "cannot listen on " + config.host + " port " +
                                                     std::to_string(config.port) + why);
    }
    server_.widen_backlog();
    port_ = static_cast<std::uint16_t>(port);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // stop() is heard only by a running loop. The thread does nothing else first.
    while (!server_.is_running()) std::this_thread::yield();
    return {};
  }

  void stop() override {
    if (!thread_.joinable()) return;
    watch_->hang_up_all();
    server_.drain();
    server_.stop();
    thread_.join();
  }

  std::uint16_t port() const override { return port_; }

 private:
  using Handler = void (HttpServerImpl::*)(const std::string& body, Response& response);

  void route() {
    post("/v1/completions", &HttpServerImpl::complete);
    post("/v1/chat/completions", &HttpServerImpl::chat);
    post("/tokenize", &HttpServerImpl::tokenize);
    get("/v1/models", models_json(model_, now_s()));
    get("/health", "{\"status\":\"ok\"}");
    get("/version", "{\"version\":\"" SLUICE_VERSION "\"}");
    if (metrics_) {
      server_.Get("/metrics", [this](const Request&, Response& response) {
        response.set_content(metrics_(), kMetricsText);
      });
    }
    server_.set_pre_routing_handler([this](const Request& request, Response& response) {
      return refuse(request, response) ? ConnectionServer::HandlerResponse::Handled
                                       : ConnectionServer::HandlerResponse::Unhandled;
    });
    server_.set_error_handler([](const Request&, Response& response) {
      if (!response.body.empty()) return;
      // What comes next on the connection need not be a request.
      ConnectionServer::close_after_response();
      const bool is_ours = response.status >= 500;
      answer_error(response, response.status,
                   is_ours ? make_error(ErrorCode::kInternal, "the server met an internal error")
                           : make_error(ErrorCode::kInvalidArgument, "this is not valid HTTP"));
    });
    server_.set_exception_handler([](const Request&, Response& response, std::exception_ptr) {
      answer_error(response, make_error(ErrorCode::kInternal, "the server met an internal error"));
    });
    server_.set_post_routing_handler([](const Request& request, Response& response) {
      if (ConnectionServer::closes_after_response()) {
        response.headers.erase("Keep-Alive");
        response.headers.erase("Connection");
        response.set_header("Connection", "close");
      }
      const std::string id = request.get_header_value("x-request-id");
      if (is_harmless(id)) response.set_header("x-request-id", id);
    });
  }

  void get(const char* path, const std::string& json) {
    server_.Get(path,
                [json](const Request&, Response& response) { response.set_content(json, kJson); });
  }

  void post(const char* path, Handler handler) {
    server_.Post(path, [this, handler](const Request&, Response& response,
                                       const httplib::ContentReader& read) {
      std::string body;
      bool is_too_large = false;
      // By hand, since the library bounds neither chunked nor decompressed bodies.
      const bool is_read = read([&](const char* data, std::size_t bytes) {
        is_too_large = bytes > kBodyBytesMax - body.size();
        if (!is_too_large) body.append(data, bytes);
        return !is_too_large;
      });
      if (is_too_large) return refuse_body(response);
      if (!is_read) {
        ConnectionServer::close_after_response();
        if (response.status == 415) return answer_error(response, 415, bad(kWrongEncoding));
        return answer_error(response, 400,
                            bad("the request body ends too early or comes too slowly"));
      }
      (this->*handler)(body, response);
    });
  }

  static Error bad(std::string message) {
    return make_error(ErrorCode::kInvalidArgument, std::move(message));
  }

  static void refuse_body(Response& response) {
    ConnectionServer::close_after_response();
    answer_error(
        response, 413,
        bad("the request body is larger than " + std::to_string(kBodyBytesMax) + " bytes"));
  }

  // True when the request was answered here, before its body is read; the connection then ends,
  // since the body would be taken for the next request.
  bool refuse(const Request& request, Response& response) const {
    const auto is_one_of = [&](std::initializer_list<const char*> paths) {
      return std::find(paths.begin(), paths.end(), request.path) != paths.end();
    };
    const std::string length = request.get_header_value("Content-Length");
    std::uint64_t bytes = 0;
    const auto parsed = std::from_chars(length.data(), length.data() + length.size(), bytes);
    if (!length.empty() && (parsed.ec != std::errc() || bytes > kBodyBytesMax)) {
      refuse_body(response);
      return true;
    }
    const char* allowed = nullptr;
    if (is_one_of({"/v1/completions", "/v1/chat/completions", "/tokenize"})) allowed = "POST";
    if (is_one_of({"/v1/models", "/health", "/version"})) allowed = "GET";
    if (metrics_ && is_one_of({"/metrics"})) allowed = "GET";
    const bool is_head = request.method == "HEAD" && allowed == std::string_view("GET");
    if (allowed == nullptr) {
      answer_error(response, make_error(ErrorCode::kNotFound,
                                        "there is no endpoint " + shortened(request.path)));
    } else if (request.method != allowed && !is_head) {
      response.set_header("Allow", allowed);
      answer_error(response, 405, bad(request.path + " takes " + allowed + " only"));
    } else if (request.is_multipart_form_data()) {
      answer_error(response, 415, bad("the request body must be JSON, not a form"));
    } else if (!is_known_encoding(request.get_header_value("Content-Encoding"))) {
      answer_error(response, 415, bad(kWrongEncoding));
    } else {
      return false;
    }
    ConnectionServer::close_after_response();
    return true;
  }

  void tokenize(const std::string& body, Response& response) {
    const auto tokens = parse_tokenize_request(body, tokenizer_, model_);
    if (!tokens) return answer_error(response, tokens.error());
    response.set_content(tokens_json(*tokens, model_), kJson);
  }

  void complete(const std::string& body, Response& response) {
    generate(parse_completion_request(body, tokenizer_, model_, random_number()), response);
  }

  void chat(const std::string& body, Response& response) {
    generate(parse_chat_request(body, tokenizer_, model_, random_number()), response);
  }

  void generate(Result<ApiRequest> parsed, Response& response) {
    const auto work = std::make_shared<Work>();
    work->on_answered = on_answered_;
    if (!parsed) return fail(*work, response, parsed.error());
    const bool is_chat = parsed->is_chat;
    work->head = {random_id(is_chat ? "chatcmpl-" : "cmpl-"), now_s(), model_.name, is_chat};
    work->usage.prompt_tokens = static_cast<std::int64_t>(parsed->generate.prompt.size());
    work->include_usage = parsed->include_usage;
    work->include_usage_always = parsed->include_usage_always;
    work->with_timings = parsed->timings;
    auto stream = generator_.submit(std::move(parsed->generate));
    if (!stream) return fail(*work, response, stream.error());
    work->answer = std::make_unique<Answer>(std::move(*stream), tokenizer_,
                                            std::move(parsed->stops), !is_chat);
    work->guard = watch_->watch(ConnectionServer::current_socket(), [raw = work.get()] {
      raw->is_hung_up = true;
      raw->answer->cancel();
    });
    if (parsed->stream) {
      answer_stream(work, response);
    } else {
      answer_whole(*work, response);
    }
  }

  // Before anything was answered. A client that has hung up is counted as that.
  static void fail(Work& work, Response& response, const Error& error) {
    const int status = http_status(error.code);
    if (!work.is_hung_up) work.status = status;
    const double retry_after_s = work.answer == nullptr ? 0.0 : work.answer->retry_after_s();
    answer_error(response, status, error, retry_after_s);
  }

  static void answer_whole(Work& work, Response& response) {
    AnswerPiece whole;
    while (whole.finish == FinishReason::kNone) {
      const Result<AnswerPiece> piece = work.next();
      if (!piece) return fail(work, response, piece.error());
      whole.text += piece->text;
      whole.finish = piece->finish;
    }
    work.status = kOk;
    response.set_content(answer_json(work.head, whole, work.usage, work.timings(whole)), kJson);
  }

  static void answer_stream(const std::shared_ptr<Work>& work, Response& response) {
    // The status line waits for the first token: until then an error still gets its own status.
    Result<AnswerPiece> first = work->next();
    if (!first) return fail(*work, response, first.error());
    response.set_header("Cache-Control", "no-cache");
    response.set_header("X-Accel-Buffering", "no");
    const auto pending = std::make_shared<std::optional<AnswerPiece>>(std::move(*first));
    response.set_chunked_content_provider(
        "text/event-stream", [work, pending](std::size_t, httplib::DataSink& sink) {
          const bool is_first = pending->has_value();
          const Result<AnswerPiece> piece =
              is_first ? Result<AnswerPiece>(*std::exchange(*pending, std::nullopt)) : work->next();
          return write_piece(*work, piece, is_first, sink);
        });
  }

  static bool write_event(httplib::DataSink& sink, const std::string& data,
                          const char* before = "") {
    const std::string event = std::string(before).append("data: ").append(data).append("\n\n");
    return sink.write(event.data(), event.size());
  }

  // False ends the connection without the mark of a complete body, so that even a client that does
  // not know error events sees a failure, not a short answer.
  static bool write_piece(Work& work, const Result<AnswerPiece>& piece, bool is_first,
                          httplib::DataSink& sink) {
    if (!piece) {
      const int status = http_status(piece.error().code);
      write_event(sink, error_json(status, piece.error()), "event: error\n");
      return false;
    }
    const auto usage =
        work.include_usage_always ? std::optional<Usage>(work.usage) : std::optional<Usage>();
    if (!write_event(sink, chunk_json(work.head, *piece, is_first, usage, work.timings(*piece)))) {
      work.answer->cancel();
      return false;
    }
    if (piece->finish == FinishReason::kNone) return true;
    if (work.include_usage && !write_event(sink, usage_json(work.head, work.usage))) return false;
    if (!write_event(sink, "[DONE]")) return false;
    work.status = kOk;
    sink.done();
    return true;
  }

  Generator& generator_;
  const Tokenizer& tokenizer_;
  const ModelInfo model_;
  const std::unique_ptr<DisconnectWatch> watch_;
  const std::function<std::string()> metrics_;
  const std::function<void(int)> on_answered_;
  ConnectionServer server_;
  std::thread thread_;
  std::uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const RouterConfig& config,
                                                      Generator& generator,
                                                      const Tokenizer& tokenizer, ModelInfo model,
                                                      HttpOptions options) {
  auto watch = SLUICE_TRY(DisconnectWatch::start());
  auto server = std::make_unique<HttpServerImpl>(generator, tokenizer, std::move(model),
                                                 std::move(watch), options);
  SLUICE_TRY(server->listen(config));
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace sluice::runtime
