/**
 * The cases of the binding conformance suite through the binding for Kotlin: `java … MainKt cases.json`. ../README.md says
 * what they mean.
 */

import com.google.gson.JsonArray
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.file.Files
import java.util.concurrent.CopyOnWriteArrayList
import kotlin.system.exitProcess
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import tools.jazz.storage.BackupLocation
import tools.jazz.storage.Durability
import tools.jazz.storage.ErrorCode
import tools.jazz.storage.EventListener
import tools.jazz.storage.NativeStorage
import tools.jazz.storage.OpenOptions
import tools.jazz.storage.TaskProgress
import tools.jazz.storage.ProgressListener
import tools.jazz.storage.StorageEvent
import tools.jazz.storage.StorageException
import tools.jazz.storage.SyncStateUpdate
import tools.jazz.storage.StorageTask
import tools.jazz.storage.libraryVersion
import tools.jazz.storage.repairAsync
import tools.jazz.storage.restoreBackupAsync
import tools.jazz.storage.throwError

const val TOLD_WITHIN_MS = 20_000L

/** A step that did not go as expected. */
class Unexpected(message: String) : Exception(message)

fun main(arguments: Array<String>) {
    val cases = JsonParser.parseString(File(arguments[0]).readText()).asJsonObject.getAsJsonArray("cases")
    var failed = 0
    for (case in cases.map { it.asJsonObject }) {
        for (isBlocking in listOf(true, false)) {
            val failure = runBlocking { Run(isBlocking).case(case) } ?: continue
            failed++
            val form = if (isBlocking) "blocking" else "not blocking"
            println("${case["topic"].asString}: ${case["name"].asString} ($form), $failure")
        }
    }
    val total = cases.size() * 2
    println("binding conformance: kotlin: $total cases, ${total - failed} passed, $failed failed, 0 not applicable")
    exitProcess(if (failed == 0) 0 else 1)
}

/** What a listener was told. */
class Heard : ProgressListener, EventListener {
    val all = CopyOnWriteArrayList<Any>()

    override fun onProgress(progress: TaskProgress) {
        all.add(progress)
    }

    override fun onEvent(event: StorageEvent) {
        all.add(event)
    }
}

/** A case in one form: its directory, and what it has made, by name. */
class Run(private val isBlocking: Boolean) {
    private val directory = Files.createTempDirectory("jazz-native-storage-conformance-").toFile()
    private val made = HashMap<String, Any>()

    /** Runs the case; null if all went as expected, else what did not. */
    suspend fun case(case: JsonObject): String? {
        try {
            for ((number, step) in case.getAsJsonArray("steps").map { it.asJsonObject }.withIndex()) {
                try {
                    step(step)
                } catch (error: Exception) {
                    val what = if (error is Unexpected) error.message else error.stackTraceToString()
                    return "step $number, ${(step["call"] ?: step["file"])?.asString ?: "all"}: $what"
                }
            }
            return null
        } finally {
            made.values.forEach(::letGo)
            directory.deleteRecursively()
        }
    }

    private suspend fun step(step: JsonObject) {
        val all = step.getAsJsonArray("all")?.map { it.asJsonObject }
        when {
            step.has("file") -> file(step)
            step.has("call") && step["call"].asString == "told" -> told(step)
            all == null -> check(step, outcome(step))
            isBlocking -> all.forEach { check(it, outcome(it)) }
            else -> {
                val outcomes = coroutineScope {
                    // Each is begun before the next one, and none is waited for before all are begun.
                    all.map { async(start = CoroutineStart.UNDISPATCHED) { outcome(it) } }.map { it.await() }
                }
                all.zip(outcomes).forEach { (call, outcome) -> check(call, outcome) }
            }
        }
    }

    /** What a call gives, or the error that it fails with. */
    private suspend fun outcome(step: JsonObject): Result<Any?> =
        try {
            val result = call(step, Arguments(step.getAsJsonArray("with") ?: JsonArray()))
            val name = step["as"]?.asString
            Result.success(if (name == null) result else { made[name] = result!!; null })
        } catch (error: StorageException) {
            Result.failure(error)
        }

    private suspend fun call(step: JsonObject, with: Arguments): Any? {
        val on = step["on"]?.let { made.getValue(it.asString) }
        return when (val name = step["call"].asString) {
            "open" -> with.options(0).let { if (isBlocking) NativeStorage.open(it) else NativeStorage.openAsync(it) }
            "restoreBackup" -> restoreBackupAsync(with.location(0), with.text(1), with.task(2))
            "repair" -> repairAsync(with.text(0), with.task(1))
            "libraryVersion" -> libraryVersion()
            "throwError" -> throwError(ErrorCode.valueOf(with.text(0)))
            "newTask" -> StorageTask()
            "progress" -> (on as StorageTask).progress()
            "cancel" -> (on as StorageTask).cancel()
            "onProgress" -> Heard().also { (on as StorageTask).onProgress(it) }
            "onEvent" -> Heard().also { (on as NativeStorage).onEvent(it) }
            "drop" -> (on as NativeStorage).destroy()
            else -> if (isBlocking) blocking(name, on as NativeStorage, with) else nonBlocking(name, on as NativeStorage, with)
        }
    }

    /** An answer, which must be the same where it is lent: its length, it, and what has no meaning. */
    private fun lentToo(answer: ByteArray?, lent: ByteArray?): ByteArray? {
        val same = if (answer == null || lent == null) {
            answer == null && lent == null
        } else {
            ByteBuffer.wrap(lent).order(ByteOrder.LITTLE_ENDIAN).int == answer.size &&
                answer.contentEquals(lent.copyOfRange(4, 4 + answer.size))
        }
        return if (same) answer else throw Unexpected("is another where it is lent")
    }

    private suspend fun blocking(name: String, on: NativeStorage, with: Arguments): Any? =
        when (name) {
            "store" -> on.store(with.bytes(0))
            "storeBatch" -> on.storeBatch(with.bytes(0))
            "load" -> lentToo(on.load(with.bytes(0), with.number(1)), on.loadLent(with.bytes(0), with.number(1)))
            "loadMany" -> on.loadMany(with.bytes(0), with.number(1))
            "loadPiece" -> lentToo(
                on.loadPiece(with.bytes(0), with.bytes(1), with.uint(2), with.uint(3)),
                on.loadPieceLent(with.bytes(0), with.bytes(1), with.uint(2), with.uint(3)),
            )
            "knownState" -> lentToo(on.knownState(with.bytes(0)), on.knownStateLent(with.bytes(0)))
            "knownStates" -> on.knownStates(with.texts(0))
            "pendingDeletions" -> on.pendingDeletions()
            "erase" -> on.erase(with.bytes(0))
            "coValueIds" -> on.coValueIds(with.number(0), with.number(1))
            "coValueCount" -> on.coValueCount()
            "maintain" -> on.maintain(with.number(0))
            "trackSyncState" -> on.trackSyncState(with.bytes(0))
            "updateSyncStates" -> on.updateSyncStates(with.updates(0))
            "unsyncedIds" -> on.unsyncedIds()
            "stopTracking" -> on.stopTracking(with.bytes(0))
            "tryAcquireLock" -> on.tryAcquireLock(with.bytes(0), with.bytes(1), with.number(2), with.number(3), with.number(4))
            "renewLock" -> on.renewLock(with.bytes(0), with.bytes(1), with.number(2))
            "releaseLock" -> on.releaseLock(with.bytes(0), with.bytes(1), with.number(2))
            "flush" -> on.flush()
            "stats" -> on.stats()
            "close" -> on.closeStore()
            // What takes long exists in the other form only.
            else -> nonBlocking(name, on, with)
        }

    private suspend fun nonBlocking(name: String, on: NativeStorage, with: Arguments): Any? =
        when (name) {
            "store" -> on.storeAsync(with.bytes(0))
            "storeBatch" -> on.storeBatchAsync(with.bytes(0))
            "load" -> on.loadAsync(with.bytes(0), with.number(1))
            "loadMany" -> on.loadManyAsync(with.bytes(0), with.number(1))
            "loadPiece" -> on.loadPieceAsync(with.bytes(0), with.bytes(1), with.uint(2), with.uint(3))
            "knownState" -> on.knownStateAsync(with.bytes(0))
            "knownStates" -> on.knownStatesAsync(with.texts(0))
            "pendingDeletions" -> on.pendingDeletionsAsync()
            "erase" -> on.eraseAsync(with.bytes(0))
            "coValueIds" -> on.coValueIdsAsync(with.number(0), with.number(1))
            "coValueCount" -> on.coValueCountAsync()
            "maintain" -> on.maintainAsync(with.number(0))
            "trackSyncState" -> on.trackSyncStateAsync(with.bytes(0))
            "updateSyncStates" -> on.updateSyncStatesAsync(with.updates(0))
            "unsyncedIds" -> on.unsyncedIdsAsync()
            "stopTracking" -> on.stopTrackingAsync(with.bytes(0))
            "tryAcquireLock" ->
                on.tryAcquireLockAsync(with.bytes(0), with.bytes(1), with.number(2), with.number(3), with.number(4))
            "renewLock" -> on.renewLockAsync(with.bytes(0), with.bytes(1), with.number(2))
            "releaseLock" -> on.releaseLockAsync(with.bytes(0), with.bytes(1), with.number(2))
            "flush" -> on.flushAsync()
            "compact" -> on.compactAsync()
            "verify" -> on.verifyAsync(with.task(0))
            "backup" -> on.backupAsync(with.location(0), with.task(1))
            "stats" -> on.statsAsync()
            "close" -> on.closeStoreAsync()
            else -> throw Unexpected("there is no call $name")
        }

    private fun check(step: JsonObject, outcome: Result<Any?>) {
        val expected = step["fails"]?.asString
        val error = outcome.exceptionOrNull()
        if (error == null) {
            if (expected != null) throw Unexpected("gives ${shown(outcome.getOrNull())}, expected $expected")
            step["gives"]?.let { check(it, outcome.getOrNull()) }
            return
        }
        // The class of an error is its code: `DiskFull` for `DISK_FULL`.
        val code = error.javaClass.simpleName.replace(Regex("(?<=.)([A-Z])"), "_$1").uppercase()
        val got = "fails with $code: ${error.message}"
        if (code != expected) throw Unexpected("$got; expected $expected")
        val saying = step["saying"]?.asString ?: return
        if (!error.message.orEmpty().contains(saying)) throw Unexpected("$got, which does not say $saying")
    }

    /** Fails unless `got` is what is expected. */
    private fun check(expected: JsonElement, got: Any?, where: String = "") {
        fun unless(fits: Boolean) {
            if (!fits) throw Unexpected("${where}gives ${shown(got)}, expected ${expected.toString().take(1000)}")
        }
        when {
            expected.isJsonNull -> unless(got == null || got == Unit)
            expected is JsonArray -> {
                unless(got is List<*> && got.size == expected.size())
                expected.zip(got as List<*>).forEachIndexed { n, (one, other) -> check(one, other, "$where[$n] ") }
            }
            expected is JsonObject && expected.has("\$bytes") ->
                unless(got is ByteArray && got.contentEquals(bytes(expected)))
            expected is JsonObject && expected.has("\$path") -> unless(got == at(expected["\$path"].asString))
            expected is JsonObject && expected.has("\$atLeast") ->
                unless(number(got)?.let { it >= expected["\$atLeast"].asDouble } ?: false)
            expected is JsonObject && expected.has("\$says") ->
                unless(got is String && got.contains(expected["\$says"].asString))
            expected is JsonObject -> for ((name, one) in expected.entrySet()) check(one, field(got, name), "$where$name ")
            expected.asJsonPrimitive.isBoolean -> unless(got == expected.asBoolean)
            expected.asJsonPrimitive.isNumber -> unless(number(got) == expected.asDouble)
            else -> unless(text(got) == expected.asString)
        }
    }

    /** Waits until a listener has been told what is expected. */
    private suspend fun told(step: JsonObject) {
        val heard = (made.getValue(step["on"].asString) as Heard).all
        val begun = System.currentTimeMillis()
        while (true) {
            val last = heard.lastOrNull()
            val complete = last is TaskProgress && last.done == last.total
            try {
                return check(step["gives"], mapOf("times" to heard.size.toDouble(), "last" to last, "complete" to complete))
            } catch (error: Unexpected) {
                if (System.currentTimeMillis() - begun > TOLD_WITHIN_MS) throw error
            }
            delay(1)
        }
    }

    private fun at(path: String) = "$directory/$path"

    private fun file(step: JsonObject) {
        val path = step["path"].asString
        val place = place(path)
        val exists = place?.exists() ?: false
        val what = step["file"].asString
        if (what == "absent") return if (exists) throw Unexpected("$path is there") else Unit
        if (place == null || (what == "exists" && !exists)) throw Unexpected("$path is not there")
        when (what) {
            "exists" -> {}
            "write" -> place.writeBytes(bytes(step.getAsJsonObject("bytes")))
            "flip" -> RandomAccessFile(place, "rw").use {
                it.seek(step["at"].asLong)
                val byte = it.readUnsignedByte()
                it.seek(step["at"].asLong)
                it.write(byte xor 0xff)
            }
            "cut" -> RandomAccessFile(place, "rw").use { it.setLength(step["at"].asLong) }
            "remove" -> if (!place.deleteRecursively()) throw Unexpected("$path cannot be removed")
            "makeDirectory" -> place.mkdirs()
            "lists" -> check(step["names"], place.list().orEmpty().sorted())
            else -> throw Unexpected("there is no step $what")
        }
    }

    /** The file of a step; of a path with a `*`, the first that fits; null if there is none. */
    private fun place(path: String): File? {
        if ('*' !in path) return File(at(path))
        val (start, end) = path.split('*')
        val folder = File(at(start.substringBeforeLast('/', "")))
        val fits = { name: String -> name.startsWith(start.substringAfterLast('/')) && name.endsWith(end) }
        return folder.list().orEmpty().filter(fits).minOrNull()?.let { File(folder, it) }
    }

    /** The arguments of a call as the binding takes them. */
    private inner class Arguments(private val of: JsonArray) {
        fun bytes(n: Int) = bytes(of[n].asJsonObject)

        fun number(n: Int) = number(of[n])

        fun uint(n: Int) = of[n].asLong.toUInt()

        fun text(n: Int) = text(of[n])

        fun texts(n: Int) = of[n].asJsonArray.map(::text)

        fun task(n: Int) = made.getValue(of[n].asJsonObject["\$task"].asString) as StorageTask

        fun location(n: Int) = of[n].asJsonObject.let { BackupLocation(optional(it, "file"), optional(it, "directory")) }

        fun updates(n: Int) = of[n].asJsonArray.map { it.asJsonObject }.map {
            SyncStateUpdate(text(it["coValue"]), text(it["peer"]), it["synced"].asBoolean)
        }

        fun options(n: Int) = of[n].asJsonObject.let {
            OpenOptions(
                path = optional(it, "path"),
                durability = optional(it, "durability")?.let { level -> Durability.valueOf(level.uppercase()) },
                maxBytes = it["maxBytes"]?.let(::number),
                cacheBytes = it["cacheBytes"]?.let(::number),
                segmentBytes = it["segmentBytes"]?.let(::number),
                deltaBytes = it["deltaBytes"]?.let(::number),
                bufferBytes = it["bufferBytes"]?.let(::number),
                callerMaintains = it["callerMaintains"]?.asBoolean,
            )
        }

        private fun optional(of: JsonObject, name: String) = of[name]?.let(::text)

        private fun text(value: JsonElement) =
            if (value is JsonObject) at(value["\$path"].asString) else value.asString

        private fun number(value: JsonElement) =
            if (value is JsonObject) value["\$number"].asString.toDouble() else value.asDouble
    }
}

/** Lets go of what a case has made, so that its directory can be removed. */
fun letGo(made: Any) {
    try {
        if (made is NativeStorage) made.closeStore()
    } catch (_: Exception) {
        // It was damaged on purpose, or let go of before.
    }
    if (made is AutoCloseable) made.close()
}

fun number(value: Any?): Double? = (value as? Number)?.toDouble()

/** Choices have the names that they have in JavaScript. */
fun text(value: Any?): String? =
    when (value) {
        is ErrorCode -> value.name
        is Enum<*> -> value.name.lowercase()
        else -> value as? String
    }

/** A field of a record. */
fun field(of: Any?, name: String): Any? {
    if (of is Map<*, *>) return of[name]
    val field = of?.javaClass?.declaredFields?.find { it.name == name } ?: throw Unexpected("there is no $name in ${shown(of)}")
    field.isAccessible = true
    val value = field.get(of)
    // Numbers of 32 bits have no sign.
    return if (value is Int) value.toUInt().toDouble() else value
}

/** The bytes that an expression stands for. */
fun bytes(expression: JsonObject): ByteArray =
    ByteArrayOutputStream().also { append(it, expression.getAsJsonArray("\$bytes"), 0) }.toByteArray()

fun append(out: ByteArrayOutputStream, parts: Iterable<JsonElement>, number: Int) {
    for (part in parts) {
        when (part) {
            is JsonArray -> {
                val once = ByteArrayOutputStream().also { append(it, part.drop(1), number) }.toByteArray()
                repeat(part[0].asInt) { out.write(once) }
            }
            is JsonObject -> for (each in part["from"].asInt until part["to"].asInt) append(out, part["of"].asJsonArray, each)
            else -> out.write(bytes(part.asString, number))
        }
    }
}

/** The bytes of a part that is a string. */
fun bytes(part: String, number: Int): ByteArray {
    val rest = part.drop(1)
    return when (part[0]) {
        'x' -> ByteArray(rest.length / 2) { rest.substring(it * 2, it * 2 + 2).toInt(16).toByte() }
        '#' -> number.toString().padStart(rest.toInt(), '0').toByteArray()
        else -> rest.toByteArray()
    }
}

/** A value for people, cut where it is long. */
fun shown(value: Any?): String =
    if (value is ByteArray) value.take(400).joinToString("", "0x") { "%02x".format(it) } + " (${value.size} bytes)"
    else value.toString().take(1000)
