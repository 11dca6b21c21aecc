//! The vocabularies. Every word is ASCII; objects and colors start with a consonant, so that "a"
//! is always right before them.

pub(super) const NAMES: &[&str] = &[
    "Ada", "Ben", "Cleo", "Dan", "Ella", "Finn", "Gina", "Hugo", "Iris", "Jack", "Kira", "Leo",
    "Mia", "Nils", "Olga", "Paul", "Rosa", "Sam", "Tina", "Umar", "Vera", "Yara", "Zoe", "Anna",
    "Bruno", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Ivan", "Julia", "Karl", "Lena",
    "Max", "Nora", "Oscar", "Petra", "Ravi", "Sara", "Tom", "Uma", "Victor", "Wanda",
];

/// Things one can have several of.
pub(super) const PLURALS: &[&str] = &[
    "apples", "books", "coins", "pencils", "cards", "stones", "cookies", "plums", "tickets",
    "flowers", "marbles", "shells", "stamps", "lemons", "buttons", "candles", "carrots", "cups",
    "plates", "ribbons", "balloons", "nuts", "pears", "keys", "bottles", "chairs", "spoons",
];

pub(super) const OBJECTS: &[&str] = &[
    "kite", "drum", "ball", "hat", "lamp", "bike", "scarf", "clock", "guitar", "coat", "tent",
    "boat", "phone", "basket", "mirror", "ladder", "pillow", "wallet", "radio", "camera", "piano",
    "bell", "vase", "watch", "blanket", "hammer", "bucket", "trumpet", "car", "desk",
];

pub(super) const COLORS: &[&str] =
    &["red", "blue", "green", "yellow", "black", "white", "brown", "gray", "pink", "purple"];

/// Words for lists; no two share a sorting place and none is used elsewhere in a list question.
pub(super) const LIST_WORDS: &[&str] = &[
    "apple", "banana", "cherry", "date", "fig", "grape", "kiwi", "lemon", "mango", "nut", "olive",
    "peach", "plum", "radish", "spinach", "tomato", "walnut", "bread", "cheese", "fish", "honey",
    "jam", "milk", "pepper", "rice", "salt", "soup", "tea", "bean", "corn", "garlic", "onion",
    "potato", "sugar", "butter", "cake", "egg", "ham", "melon", "oats",
];

pub(super) const DAYS: &[&str] =
    &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const EVENTS: &[&str] = &[
    "party", "concert", "lesson", "meeting", "race", "dinner", "picnic", "wedding", "game", "trip",
    "exam", "show", "dance", "lunch", "market", "workshop", "parade", "play", "sale", "festival",
];

/// A larger unit, a smaller one, how many make one, and a wrong number people mix it up with.
pub(super) const UNITS: &[(&str, &str, i64, i64)] = &[
    ("hours", "minutes", 60, 100),
    ("minutes", "seconds", 60, 100),
    ("days", "hours", 24, 12),
    ("weeks", "days", 7, 5),
    ("years", "months", 12, 10),
    ("dollars", "cents", 100, 10),
    ("meters", "centimeters", 100, 1000),
    ("feet", "inches", 12, 10),
    ("kilograms", "grams", 1000, 100),
    ("decades", "years", 10, 100),
];

pub(super) const COMPARISONS: &[&str] =
    &["older", "taller", "faster", "stronger", "younger", "louder", "richer", "kinder"];

/// Subjects of written sentences.
pub(super) const SUBJECTS: &[&str] = &[
    "dog", "cat", "bird", "horse", "fox", "bear", "duck", "goat", "wolf", "frog", "mouse", "sheep",
    "tiger", "rabbit", "turtle", "pony", "swan", "deer", "crow", "lion",
];
pub(super) const ADJECTIVES: &[&str] = &[
    "old", "small", "happy", "tired", "brave", "quiet", "hungry", "gentle", "clever", "lonely",
    "young", "proud",
];
pub(super) const VERBS: &[&str] = &[
    "sleeps", "waits", "rests", "plays", "runs", "sings", "walks", "hides", "jumps", "stands",
    "dreams", "eats",
];
pub(super) const ADVERBS: &[&str] =
    &["slowly", "today", "alone", "again", "calmly", "often", "daily", "outside"];
pub(super) const PREPOSITIONS: &[&str] = &["near", "behind", "beside", "under"];
pub(super) const PLACES: &[&str] = &[
    "river", "house", "bridge", "garden", "forest", "hill", "lake", "barn", "tower", "road",
    "beach", "fence",
];

/// What one wants to do, and three ways: what is needed, and the advice that names it.
pub(super) const ADVICE: &[(&str, [(&str, &str); 3])] = &[
    (
        "clean a muddy boot",
        [
            ("brush", "Scrub the mud off with a stiff brush."),
            ("hose", "Rinse it outside with a garden hose."),
            ("sponge", "Wipe it with a wet sponge and some soap."),
        ],
    ),
    (
        "sleep better at night",
        [
            ("curtain", "Keep the room dark with a thick curtain."),
            ("earplugs", "Block the noise with soft earplugs."),
            ("mattress", "Get a firm mattress that supports your back."),
        ],
    ),
    (
        "learn new words",
        [
            ("notebook", "Write them in a notebook every evening."),
            ("flashcards", "Go through a set of flashcards each day."),
            ("dictionary", "Look them up in a dictionary and say them aloud."),
        ],
    ),
    (
        "keep a room warm",
        [
            ("heater", "Put a small heater in the corner."),
            ("carpet", "Lay a thick carpet on the cold floor."),
            ("fireplace", "Light some wood in the fireplace."),
        ],
    ),
    (
        "cook rice",
        [
            ("pot", "Boil it in a pot with twice as much water."),
            ("steamer", "Let it cook in a steamer until it is soft."),
            ("microwave", "Heat it with water in the microwave."),
        ],
    ),
    (
        "fix a broken chair",
        [
            ("glue", "Press the loose parts together with glue."),
            ("screwdriver", "Tighten the legs with a screwdriver."),
            ("nails", "Hold the seat in place with two nails."),
        ],
    ),
    (
        "get to work",
        [
            ("bus", "Take the early bus from the station."),
            ("bicycle", "Ride there on a bicycle if it is dry."),
            ("taxi", "Call a taxi a few minutes before."),
        ],
    ),
    (
        "keep milk cold",
        [
            ("fridge", "Store it at the back of the fridge."),
            ("ice", "Put the carton in a bowl of ice."),
            ("cellar", "Leave it down in the cool cellar."),
        ],
    ),
    (
        "stay dry in the rain",
        [
            ("umbrella", "Carry a big umbrella with you."),
            ("raincoat", "Wear a long raincoat with a hood."),
            ("poncho", "Pull a light poncho over your clothes."),
        ],
    ),
    (
        "water the plants",
        [
            ("can", "Fill a can and pour a little on each one."),
            ("sprinkler", "Let a sprinkler run in the morning."),
            ("jug", "Use a jug and go from leaf to leaf."),
        ],
    ),
    (
        "cut an old rope",
        [
            ("knife", "Saw through it with a sharp knife."),
            ("scissors", "Snip it strand by strand with scissors."),
            ("axe", "Lay it on a log and use an axe."),
        ],
    ),
    (
        "send a long letter",
        [
            ("email", "Type it and send it as an email."),
            ("envelope", "Fold it into an envelope and post it."),
            ("fax", "Feed the pages into a fax machine."),
        ],
    ),
    (
        "find the way home",
        [
            ("map", "Follow the streets on a paper map."),
            ("compass", "Walk north with the help of a compass."),
            ("phone", "Open the route on your phone."),
        ],
    ),
    (
        "light a dark path",
        [
            ("torch", "Shine a torch on the ground ahead."),
            ("lantern", "Hang a lantern on a pole and carry it."),
            ("headlamp", "Strap a headlamp around your head."),
        ],
    ),
    (
        "catch a small fish",
        [
            ("net", "Scoop it out of the water with a net."),
            ("rod", "Cast a line from the bank with a rod."),
            ("trap", "Set a trap between the rocks."),
        ],
    ),
    (
        "paint a wooden wall",
        [
            ("roller", "Cover the big areas with a roller."),
            ("paintbrush", "Follow the grain with a wide paintbrush."),
            ("sprayer", "Coat it evenly with a sprayer."),
        ],
    ),
    (
        "dry wet clothes",
        [
            ("clothesline", "Pin them on a clothesline in the sun."),
            ("dryer", "Tumble them in the dryer for an hour."),
            ("rack", "Spread them on a rack by the window."),
        ],
    ),
    (
        "remember a meeting",
        [
            ("calendar", "Mark the time in your calendar."),
            ("alarm", "Set an alarm for ten minutes before."),
            ("note", "Stick a note on the door."),
        ],
    ),
    (
        "move a heavy box",
        [
            ("cart", "Roll it along on a flat cart."),
            ("strap", "Lift it with a strap over the shoulder."),
            ("dolly", "Tip it back onto a dolly and push."),
        ],
    ),
    (
        "make fresh juice",
        [
            ("blender", "Mix the fruit in a blender."),
            ("juicer", "Press the oranges in a juicer."),
            ("strainer", "Mash the berries through a strainer."),
        ],
    ),
];
