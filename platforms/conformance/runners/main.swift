// The cases of the binding conformance suite through the binding for Swift: `main cases.json`. ../README.md says what they
// mean. It is compiled with the binding, or finds it as a module.

import Foundation
#if canImport(JazzNativeStorage)
import JazzNativeStorage
#endif

let toldWithinSeconds = 20.0

/// A step that did not go as expected.
struct Unexpected: Error {
    let message: String
    init(_ message: String) { self.message = message }
}

enum Json: Decodable {
    case null, bool(Bool), number(Double), text(String), list([Json]), record([String: Json])

    init(from decoder: Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() { self = .null }
        else if let bool = try? value.decode(Bool.self) { self = .bool(bool) }
        else if let number = try? value.decode(Double.self) { self = .number(number) }
        else if let text = try? value.decode(String.self) { self = .text(text) }
        else if let list = try? value.decode([Json].self) { self = .list(list) }
        else { self = .record(try value.decode([String: Json].self)) }
    }

    subscript(_ name: String) -> Json? { if case .record(let fields) = self { fields[name] } else { nil } }
    var text: String? { if case .text(let text) = self { text } else { nil } }
    var list: [Json]? { if case .list(let list) = self { list } else { nil } }
    var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    var number: Double? {
        if case .number(let number) = self { return number }
        return self["$number"]?.text.flatMap(Double.init)
    }
}

/// What a listener was told.
final class Heard: ProgressListener, EventListener, @unchecked Sendable {
    private let lock = NSLock()
    private var told: [Any] = []
    var all: [Any] { lock.withLock { told } }
    func onProgress(progress: TaskProgress) { lock.withLock { told.append(progress) } }
    func onEvent(event: StorageEvent) { lock.withLock { told.append(event) } }
}

typealias Outcome = Result<Any?, any Error>

/// A case in one form: its directory, and what it has made, by name.
final class Run: @unchecked Sendable {
    let isBlocking: Bool
    let directory: String
    let lock = NSLock()
    var made: [String: Any] = [:]

    init(isBlocking: Bool) throws {
        self.isBlocking = isBlocking
        let name = "jazz-native-storage-conformance-\(UUID().uuidString)"
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    /// Runs the case; nil if all went as expected, else what did not.
    func run(_ case: Json) async -> String? {
        var failure: String?
        for (number, step) in (`case`["steps"]?.list ?? []).enumerated() {
            do {
                try await self.step(step)
            } catch {
                let what = (error as? Unexpected)?.message ?? "\(error)"
                failure = "step \(number), \((step["call"] ?? step["file"])?.text ?? "all"): \(what)"
                break
            }
        }
        for case let storage as NativeStorage in made.values {
            // It may be damaged on purpose.
            try? storage.close()
        }
        made = [:]
        try? FileManager.default.removeItem(atPath: directory)
        return failure
    }

    func step(_ step: Json) async throws {
        if step["file"] != nil { return try file(step) }
        if step["call"]?.text == "told" { return try await told(step) }
        guard let all = step["all"]?.list else { return try check(step, await outcome(step)) }
        if isBlocking {
            for call in all { try check(call, await outcome(call)) }
            return
        }
        let outcomes = await withTaskGroup(of: (Int, Sent).self) { group in
            for (place, call) in all.enumerated() { group.addTask { (place, Sent(outcome: await self.outcome(call))) } }
            return await group.reduce(into: [Int: Sent]()) { $0[$1.0] = $1.1 }
        }
        for (place, call) in all.enumerated() {
            if let outcome = outcomes[place]?.outcome { try check(call, outcome) }
        }
    }

    struct Sent: @unchecked Sendable { let outcome: Outcome }

    /// What a call gives, or the error that it fails with.
    func outcome(_ step: Json) async -> Outcome {
        do {
            let result = try await call(step, Arguments(of: step["with"]?.list ?? [], run: self))
            guard let name = step["as"]?.text else { return .success(result) }
            lock.withLock { made[name] = result }
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }

    func made<T>(_ name: String?, as type: T.Type) throws -> T {
        guard let found = lock.withLock({ made[name ?? ""] }) as? T else { throw Unexpected("there is no \(name ?? "")") }
        return found
    }

    func call(_ step: Json, _ with: Arguments) async throws -> Any? {
        let name = step["call"]?.text ?? "", on = step["on"]?.text
        switch name {
        case "open":
            let options = try with.options(0)
            return isBlocking ? try NativeStorage.open(options: options) : try await NativeStorage.openAsync(options: options)
        case "restoreBackup":
            return try await restoreBackupAsync(from: with.location(0), path: with.text(1), task: with.task(2))
        case "repair": return try await repairAsync(path: with.text(0), task: with.task(1))
        case "libraryVersion": return libraryVersion()
        case "throwError": return try throwError(code: with.code(0))
        case "newTask": return StorageTask()
        case "progress": return try made(on, as: StorageTask.self).progress()
        case "cancel": return try made(on, as: StorageTask.self).cancel()
        case "onProgress":
            let heard = Heard()
            try made(on, as: StorageTask.self).onProgress(listener: heard)
            return heard
        case "onEvent":
            let heard = Heard()
            try made(on, as: NativeStorage.self).onEvent(listener: heard)
            return heard
        case "drop": return lock.withLock { made[on ?? ""] = nil }
        default:
            let storage = try made(on, as: NativeStorage.self)
            return isBlocking ? try await blocking(name, storage, with) : try await nonBlocking(name, storage, with)
        }
    }

    /// An answer, which must be the same where it is lent: its length, it, and what has no meaning.
    func lentToo(_ answer: Data?, _ lent: Data?) throws -> Data? {
        guard let answer, let lent else {
            if answer == nil && lent == nil { return nil }
            throw Unexpected("is nothing in one of two forms")
        }
        let size = UInt32(answer.count)
        let head = Data((0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) })
        if lent.prefix(4 + answer.count) != head + answer { throw Unexpected("is another where it is lent") }
        return answer
    }

    func blocking(_ name: String, _ on: NativeStorage, _ with: Arguments) async throws -> Any? {
        switch name {
        case "store": return try on.store(message: with.bytes(0))
        case "storeBatch": return try on.storeBatch(batch: with.bytes(0))
        case "load":
            return try lentToo(
                on.load(id: with.bytes(0), byteBudget: with.number(1)),
                on.loadLent(id: with.bytes(0), byteBudget: with.number(1)))
        case "loadMany": return try on.loadMany(ids: with.bytes(0), byteBudget: with.number(1))
        case "loadPiece":
            return try lentToo(
                on.loadPiece(id: with.bytes(0), session: with.bytes(1), after: with.uint(2), count: with.uint(3)),
                on.loadPieceLent(id: with.bytes(0), session: with.bytes(1), after: with.uint(2), count: with.uint(3)))
        case "knownState":
            return try lentToo(on.knownState(id: with.bytes(0)), on.knownStateLent(id: with.bytes(0)))
        case "knownStates": return try on.knownStates(ids: with.texts(0))
        case "pendingDeletions": return try on.pendingDeletions()
        case "erase": return try on.erase(id: with.bytes(0))
        case "coValueIds": return try on.coValueIds(limit: with.number(0), offset: with.number(1))
        case "coValueCount": return try on.coValueCount()
        case "maintain": return try on.maintain(work: with.number(0))
        case "trackSyncState": return try on.trackSyncState(updates: with.bytes(0))
        case "updateSyncStates": return try on.updateSyncStates(updates: with.updates(0))
        case "unsyncedIds": return try on.unsyncedIds()
        case "stopTracking": return try on.stopTracking(id: with.bytes(0))
        case "tryAcquireLock":
            return try on.tryAcquireLock(
                session: with.bytes(0), peer: with.bytes(1), now: with.number(2), ttl: with.number(3), interval: with.number(4))
        case "renewLock": return try on.renewLock(session: with.bytes(0), peer: with.bytes(1), offset: with.number(2))
        case "releaseLock": return try on.releaseLock(session: with.bytes(0), peer: with.bytes(1), now: with.number(2))
        case "flush": return try on.flush()
        case "stats": return try on.stats()
        case "close": return try on.close()
        // What takes long exists in the other form only.
        default: return try await nonBlocking(name, on, with)
        }
    }

    func nonBlocking(_ name: String, _ on: NativeStorage, _ with: Arguments) async throws -> Any? {
        switch name {
        case "store": return try await on.storeAsync(message: with.bytes(0))
        case "storeBatch": return try await on.storeBatchAsync(batch: with.bytes(0))
        case "load": return try await on.loadAsync(id: with.bytes(0), byteBudget: with.number(1))
        case "loadMany": return try await on.loadManyAsync(ids: with.bytes(0), byteBudget: with.number(1))
        case "loadPiece":
            return try await on.loadPieceAsync(
                id: with.bytes(0), session: with.bytes(1), after: with.uint(2), count: with.uint(3))
        case "knownState": return try await on.knownStateAsync(id: with.bytes(0))
        case "knownStates": return try await on.knownStatesAsync(ids: with.texts(0))
        case "pendingDeletions": return try await on.pendingDeletionsAsync()
        case "erase": return try await on.eraseAsync(id: with.bytes(0))
        case "coValueIds": return try await on.coValueIdsAsync(limit: with.number(0), offset: with.number(1))
        case "coValueCount": return try await on.coValueCountAsync()
        case "maintain": return try await on.maintainAsync(work: with.number(0))
        case "trackSyncState": return try await on.trackSyncStateAsync(updates: with.bytes(0))
        case "updateSyncStates": return try await on.updateSyncStatesAsync(updates: with.updates(0))
        case "unsyncedIds": return try await on.unsyncedIdsAsync()
        case "stopTracking": return try await on.stopTrackingAsync(id: with.bytes(0))
        case "tryAcquireLock":
            return try await on.tryAcquireLockAsync(
                session: with.bytes(0), peer: with.bytes(1), now: with.number(2), ttl: with.number(3), interval: with.number(4))
        case "renewLock":
            return try await on.renewLockAsync(session: with.bytes(0), peer: with.bytes(1), offset: with.number(2))
        case "releaseLock":
            return try await on.releaseLockAsync(session: with.bytes(0), peer: with.bytes(1), now: with.number(2))
        case "flush": return try await on.flushAsync()
        case "compact": return try await on.compactAsync()
        case "verify": return try await on.verifyAsync(task: with.task(0))
        case "backup": return try await on.backupAsync(target: with.location(0), task: with.task(1))
        case "stats": return try await on.statsAsync()
        case "close": return try await on.closeAsync()
        default: throw Unexpected("there is no call \(name)")
        }
    }

    func check(_ step: Json, _ outcome: Outcome) throws {
        let expected = step["fails"]?.text
        switch outcome {
        case .success(let got):
            if let expected { throw Unexpected("gives \(shown(got)), expected \(expected)") }
            if let gives = step["gives"] { try check(gives, got) }
        case .failure(let error):
            guard let error = error as? StorageError, let `case` = Mirror(reflecting: error).children.first else { throw error }
            // The case of an error is its code: `DiskFull` for `DISK_FULL`.
            let code = snake(`case`.label ?? "").uppercased()
            let message = (Mirror(reflecting: `case`.value).children.first?.value ?? `case`.value) as? String ?? ""
            let got = "fails with \(code): \(message)"
            if code != expected { throw Unexpected("\(got); expected \(expected ?? "success")") }
            if let saying = step["saying"]?.text, !message.contains(saying) {
                throw Unexpected("\(got), which does not say \(saying)")
            }
        }
    }

    /// Fails unless `got` is what is expected.
    func check(_ expected: Json, _ got: Any?, _ place: String = "") throws {
        let fits: Bool
        switch expected {
        case .null: fits = got == nil || got is Void
        case .bool(let bool): fits = got as? Bool == bool
        case .number(let number): fits = numeric(got) == number
        case .text(let text): fits = textual(got) == text
        case .list(let list):
            let all = got as? [Any]
            fits = all?.count == list.count
            for (n, pair) in zip(list, all ?? []).enumerated() { try check(pair.0, pair.1, "\(place)[\(n)] ") }
        case .record(let fields):
            if fields["$bytes"] != nil { fits = got as? Data == Data(try expressed(expected)) }
            else if let path = fields["$path"]?.text { fits = got as? String == at(path) }
            else if let least = fields["$atLeast"]?.number { fits = numeric(got).map { $0 >= least } ?? false }
            else if let text = fields["$says"]?.text { fits = (got as? String)?.contains(text) ?? false }
            else {
                fits = got != nil
                for (name, field) in fields { try check(field, Self.field(got, name), "\(place)\(name) ") }
            }
        }
        if !fits { throw Unexpected("\(place)gives \(shown(got)), expected \(shown(expected))") }
    }

    /// A field of a record.
    static func field(_ of: Any?, _ name: String) throws -> Any? {
        if let fields = of as? [String: Any] { return fields[name] }
        let field = of.flatMap { Mirror(reflecting: $0).children.first { $0.label == name } }
        guard let value = field?.value else { throw Unexpected("there is no \(name) in \(shown(of))") }
        let mirror = Mirror(reflecting: value)
        return mirror.displayStyle == .optional ? mirror.children.first?.value : value
    }

    /// Waits until a listener has been told what is expected.
    func told(_ step: Json) async throws {
        let heard = try made(step["on"]?.text, as: Heard.self), gives = step["gives"] ?? .null, begun = Date()
        while true {
            let all = heard.all
            let complete = (all.last as? TaskProgress).map { $0.done == $0.total } ?? false
            var told: [String: Any] = ["times": Double(all.count), "complete": complete]
            told["last"] = all.last
            do {
                return try check(gives, told)
            } catch {
                if Date().timeIntervalSince(begun) > toldWithinSeconds { throw error }
            }
            try await _Concurrency.Task.sleep(nanoseconds: 1_000_000)
        }
    }

    func at(_ path: String) -> String { "\(directory)/\(path)" }

    func file(_ step: Json) throws {
        let files = FileManager.default, path = step["path"]?.text ?? ""
        let place = try self.place(path), what = step["file"]?.text ?? ""
        let exists = place.map(files.fileExists) ?? false
        if what == "absent" {
            if exists { throw Unexpected("\(path) is there") }
            return
        }
        guard let place, what != "exists" || exists else { throw Unexpected("\(path) is not there") }
        switch what {
        case "exists": break
        case "write": try Data(expressed(step["bytes"] ?? .null)).write(to: URL(fileURLWithPath: place))
        case "flip", "cut":
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: place))
            defer { try? file.close() }
            let offset = UInt64(step["at"]?.number ?? 0)
            if what == "cut" { return try file.truncate(atOffset: offset) }
            try file.seek(toOffset: offset)
            guard let byte = try file.read(upToCount: 1)?.first else { throw Unexpected("\(path) ends before \(offset)") }
            try file.seek(toOffset: offset)
            try file.write(contentsOf: Data([byte ^ 0xff]))
        case "remove": try files.removeItem(atPath: place)
        case "makeDirectory": try files.createDirectory(atPath: place, withIntermediateDirectories: true)
        case "lists": try check(step["names"] ?? .null, files.contentsOfDirectory(atPath: place).sorted())
        default: throw Unexpected("there is no step \(what)")
        }
    }

    /// The path of a step; of one with a `*`, the first that fits; nil if there is none.
    func place(_ path: String) throws -> String? {
        let ends = path.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
        if ends.count == 1 { return at(path) }
        let folder = (ends[0] as NSString).deletingLastPathComponent
        let start = ends[0].dropFirst(folder.isEmpty ? 0 : folder.count + 1)
        let names = try FileManager.default.contentsOfDirectory(atPath: at(folder)).sorted()
        let first = names.first { $0.hasPrefix(start) && $0.hasSuffix(ends[1]) }
        return first.map { at("\(folder)/\($0)") }
    }
}

/// The arguments of a call as the binding takes them.
struct Arguments {
    let of: [Json]
    let run: Run

    func bytes(_ n: Int) throws -> Data { Data(try expressed(of[n])) }
    func number(_ n: Int) throws -> Double { try some(of[n].number) }
    func uint(_ n: Int) throws -> UInt32 { UInt32(try number(n)) }
    func text(_ n: Int) throws -> String { try some(text(of[n])) }
    func texts(_ n: Int) throws -> [String] { try some(of[n].list).map { try some(text($0)) } }
    func task(_ n: Int) throws -> StorageTask { try run.made(of[n]["$task"]?.text, as: StorageTask.self) }
    func location(_ n: Int) -> BackupLocation {
        BackupLocation(file: text(of[n]["file"]), directory: text(of[n]["directory"]))
    }
    func updates(_ n: Int) throws -> [SyncStateUpdate] {
        try some(of[n].list).map {
            try SyncStateUpdate(
                coValue: some(text($0["coValue"])), peer: some(text($0["peer"])), synced: some($0["synced"]?.bool))
        }
    }
    func code(_ n: Int) throws -> ErrorCode {
        let all: [ErrorCode] = [
            .io, .diskFull, .notADirectory, .permissionDenied, .locked, .newerFormat, .foreignDirectory, .corrupt,
            .malformed, .emptyId, .tooLarge, .invalidCommit, .invalidOption, .latched, .targetExists, .notABackup,
            .cancelled, .hashCollision, .internal,
        ]
        return try some(all.first { textual($0) == of[n].text })
    }
    func options(_ n: Int) throws -> OpenOptions {
        let given = of[n], levels: [Durability] = [.relaxed, .strict, .memory]
        return OpenOptions(
            path: text(given["path"]),
            durability: try given["durability"].map { level in try some(levels.first { textual($0) == level.text }) },
            maxBytes: given["maxBytes"]?.number, cacheBytes: given["cacheBytes"]?.number,
            segmentBytes: given["segmentBytes"]?.number, deltaBytes: given["deltaBytes"]?.number,
            bufferBytes: given["bufferBytes"]?.number,
            callerMaintains: given["callerMaintains"]?.bool)
    }

    /// A text, or a path of the case.
    private func text(_ value: Json?) -> String? { value?["$path"]?.text.map(run.at) ?? value?.text }
    private func some<T>(_ value: T?) throws -> T {
        guard let value else { throw Unexpected("an argument has another type") }
        return value
    }
}

/// `diskFull` as `disk_full`.
func snake(_ name: String) -> String {
    name.enumerated().map { $0 > 0 && $1.isUppercase ? "_\($1)" : "\($1)" }.joined().lowercased()
}

/// Choices have the names that they have in JavaScript.
func textual(_ value: Any?) -> String? {
    if let text = value as? String { return text }
    guard let value, Mirror(reflecting: value).displayStyle == .enum else { return nil }
    let name = snake(String(describing: value))
    return value is ErrorCode ? name.uppercased() : name
}

func numeric(_ value: Any?) -> Double? { value as? Double ?? (value as? UInt32).map(Double.init) }

/// The bytes that an expression stands for.
func expressed(_ expression: Json) throws -> [UInt8] {
    var out: [UInt8] = []
    guard let parts = expression["$bytes"]?.list else { throw Unexpected("an argument is not bytes") }
    append(&out, parts[...], 0)
    return out
}

func append(_ out: inout [UInt8], _ parts: ArraySlice<Json>, _ number: Int) {
    for part in parts {
        switch part {
        case .list(let repeated):
            var once: [UInt8] = []
            append(&once, repeated.dropFirst(), number)
            for _ in 0..<Int(repeated[0].number ?? 0) { out.append(contentsOf: once) }
        case .text(let text): append(&out, text, number)
        default:
            let of = part["of"]?.list ?? []
            for each in Int(part["from"]?.number ?? 0)..<Int(part["to"]?.number ?? 0) { append(&out, of[...], each) }
        }
    }
}

/// Appends a part that is a string.
func append(_ out: inout [UInt8], _ part: String, _ number: Int) {
    let rest = Array(part.utf8.dropFirst())
    switch part.first {
    case "x":
        for n in stride(from: 0, to: rest.count, by: 2) {
            out.append(UInt8(String(decoding: rest[n..<n + 2], as: UTF8.self), radix: 16) ?? 0)
        }
    case "#":
        let digits = String(number).utf8, length = Int(part.dropFirst()) ?? 0
        out.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: max(0, length - digits.count)))
        out.append(contentsOf: digits)
    default: out.append(contentsOf: rest)
    }
}

/// A value for people, cut where it is long.
func shown(_ value: Any?) -> String {
    if let data = value as? Data {
        return "0x\(data.prefix(400).map { String(format: "%02x", $0) }.joined()) (\(data.count) bytes)"
    }
    return String(String(describing: value ?? "nothing").prefix(1000))
}

let cases = try JSONDecoder().decode(Json.self, from: Data(contentsOf: URL(fileURLWithPath: CommandLine.arguments[1])))
let all = cases["cases"]?.list ?? []
var failed = 0
for one in all {
    for isBlocking in [true, false] {
        guard let failure = await (try Run(isBlocking: isBlocking)).run(one) else { continue }
        failed += 1
        let form = isBlocking ? "blocking" : "not blocking"
        print("\(one["topic"]?.text ?? ""): \(one["name"]?.text ?? "") (\(form)), \(failure)")
    }
}
let total = all.count * 2
print("binding conformance: swift: \(total) cases, \(total - failed) passed, \(failed) failed, 0 not applicable")
exit(failed == 0 ? 0 : 1)
