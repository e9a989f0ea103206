import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.RecordBatch;

/**
 * Prints, in hexadecimal, the batch that Java's client writes of the records of a file: one line for each pair of codec
 * and producer id that follows. A record is a line of timestamp, key, value and headers (name=value,...), separated by
 * tabs, in hexadecimal; "-" is null.
 */
public class Batches {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        List<String> records = Files.readAllLines(Path.of(arguments[0]));
        try (PrintStream out = new PrintStream(System.out, false)) {
            for (int i = 1; i < arguments.length; i += 2) {
                out.println(batch(records, arguments[i], Long.parseLong(arguments[i + 1])));
            }
        }
    }

    private static String batch(List<String> records, String codec, long producerId) {
        Compression compression = Compression.of(codec).build();
        short epoch = 0;
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 20),
            RecordBatch.MAGIC_VALUE_V2, compression, TimestampType.CREATE_TIME, 0, RecordBatch.NO_TIMESTAMP,
            producerId, epoch, 0);
        for (String line : records) {
            String[] parts = line.split("\t", -1);
            builder.append(Long.parseLong(parts[0]), bytes(parts[1]), bytes(parts[2]), headers(parts[3]));
        }
        ByteBuffer batch = builder.build().buffer();
        byte[] bytes = new byte[batch.remaining()];
        batch.get(bytes);
        return HEX.formatHex(bytes);
    }

    private static byte[] bytes(String text) {
        return text.equals("-") ? null : HEX.parseHex(text);
    }

    private static Header[] headers(String text) {
        String[] pairs = text.isEmpty() ? new String[0] : text.split(",");
        return Arrays.stream(pairs).map(pair -> {
            String[] parts = pair.split("=", -1);
            return new RecordHeader(new String(bytes(parts[0]), UTF_8), bytes(parts[1]));
        }).toArray(Header[]::new);
    }
}
