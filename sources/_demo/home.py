"""Facts for the demo's text: cooking, garden, animals, health and the household."""

# ruff: noqa: E501 (one subject per line keeps the tables readable)

from __future__ import annotations

from sources._demo.tasks import Domain, table

COOKING = Domain(
    "cooking",
    table(
        "subject main second spice minutes heat trick fault",
        """
        lentil soup | red lentils | carrots | cumin | 30 | low | stir in lemon juice at the end | too thick
        risotto | short-grain rice | warm stock | saffron | 22 | medium | add the stock one ladle at a time | gluey
        ratatouille | aubergine | courgettes | thyme | 45 | medium | fry each vegetable by itself first | watery
        crème brûlée | cream | egg yolks | vanilla | 40 | very low | bake it in a water bath | grainy
        chicken curry | chicken thighs | coconut milk | turmeric | 35 | medium | toast the spices before the onions | bland
        pizza dough | strong flour | olive oil | oregano | 12 | very high | let the dough rest overnight | tough
        pancakes | plain flour | buttermilk | cinnamon | 15 | medium | leave small lumps in the batter | flat
        vegetable stew | potatoes | white beans | bay leaf | 50 | low | brown the onions slowly | thin
        gnocchi | floury potatoes | one egg | nutmeg | 4 | high | rice the potatoes while they are hot | heavy
        roast salmon | salmon fillet | fennel | dill | 14 | high | dry the skin with a paper towel | dry
        fried rice | cold rice | spring onions | ginger | 8 | very high | use rice from the day before | mushy
        apple crumble | sour apples | butter | cardamom | 40 | medium | keep the butter cold | soggy
        jalapeño cornbread | cornmeal | sour milk | paprika | 25 | high | heat the pan before the batter goes in | crumbly
        tomato sauce | ripe tomatoes | garlic | basil | 25 | low | simmer it without a lid | sour
        goulash | beef shin | onions | sweet paprika | 120 | low | use as many onions as meat | tasteless
        """,
    ),
    (
        "How do I make {subject} for {n} people?",
        "My {subject} always turns out {fault}. What am I doing wrong?",
        "What can I cook ahead if I serve {subject} to {n} guests on {day}?",
        "Which mistakes should I avoid with {subject}?",
        "How much {main} do I need for {subject} if we are {n}?",
        "Can you give me a simple recipe for {subject} with {spice}?",
        "Why does everybody say that {subject} needs {second}?",
    ),
    (
        "Happy to help with the {subject}.",
        "{subject} is easier than it looks.",
        "The short version: good {main} and {heat} heat.",
        "Here is how I would make it for {n} people.",
    ),
    (
        ("Weigh out about {n:90} g of {main} for {n} people.", "For {n} plates you need roughly {n:90} g of {main}.",
         "Count 90 g of {main} per person, so {n:90} g in all."),
        ("Cook it on {heat} heat for about {minutes} minutes.", "It needs {minutes} minutes on {heat} heat, not more.",
         "Set a timer to {minutes} minutes and keep the heat {heat}."),
        ("The trick is simple: {trick}.", "Most important, {trick}, because that decides the texture.",
         "Do not skip this step: {trick}."),
        ("If it comes out {fault}, the heat was not {heat} enough or the time too long.",
         "A {fault} result mostly means that a step was rushed.", "It turns {fault} when the pan is crowded."),
        ("Add the {second} after the {main}, since it cooks faster.", "{second} goes in second, once the {main} is soft.",
         "Keep the {second} ready beside the stove before you begin."),
        ("Season with {spice}, taste, and only then add salt.", "A teaspoon of {spice} is enough for {n} people.",
         "Fresh {spice} at the end keeps its smell."),
        ("Let it rest for 5 minutes before serving, so that the juices settle.", "Serve it warm on heated plates.",
         "Leftovers keep for two days in a closed box in the fridge."),
    ),
    (
        "Tell me which {main} you have and I can adjust the amounts.",
        "Enjoy your meal!",
        "If you like, I can write a shopping list for {n} people.",
    ),
    ("Compose a menu card entry of two lines for {subject} that also names the {spice} and the {second}.",
     "A guest must not eat {second}: how would you change {subject} so that it keeps its character?",
     "Which step of preparing {subject} can an eight-year-old take over without any danger, and why?"),
)  # fmt: skip

GARDEN = Domain(
    "garden",
    table(
        "subject light water gap soil month1 pest friend",
        """
        tomatoes | full sun | every second day | 60 | rich, loose soil | May | aphids | basil
        lavender | full sun | once a week | 40 | sandy, poor soil | April | root rot | thyme
        strawberries | morning sun | every second day | 30 | slightly acid soil | August | slugs | borage
        hydrangeas | half shade | daily in summer | 100 | moist, acid soil | October | mildew | ferns
        courgettes | full sun | daily in summer | 90 | compost-rich soil | May | mildew | nasturtiums
        blueberries | full sun | twice a week | 120 | acid peat-free soil | March | birds | heather
        roses | six hours of sun | once a week | 70 | deep clay soil | November | black spot | garlic
        spinach plants | half shade | every third day | 15 | nitrogen-rich soil | March | leaf miners | radishes
        sunflowers | full sun | twice a week | 45 | any drained soil | April | slugs | beans
        garlic bulbs | full sun | once a week | 12 | light, dry soil | October | white rot | carrots
        orchids | bright indirect light | once a week | 20 | bark chips | February | scale insects | moss
        potatoes | full sun | twice a week | 35 | loose, hilled soil | April | beetles | horseradish
        chilli peppers | full sun | every second day | 45 | warm, rich soil | May | aphids | marigolds
        peas | cool sun | twice a week | 5 | limed soil | March | moths | turnips
        """,
    ),
    (
        "How do I grow {subject} on a balcony with {n} pots?",
        "When should I plant {subject}, and how far apart?",
        "The leaves of my {subject} look sick, and I think it is {pest}. What can I do?",
        "What soil do {subject} want?",
        "How often should I water {subject} in {month}?",
        "Can {subject} and {friend} share one bed of {n} square metres?",
    ),
    (
        "{subject} reward a little care.",
        "Good choice: {subject} do well with {light}.",
        "A few basics decide how {subject} turn out.",
        "Gladly, here is what {subject} need.",
    ),
    (
        ("Plant them in {month1}, when the ground is ready.", "The right month is {month1}; earlier the frost takes them.",
         "Wait until {month1} with the planting."),
        ("Leave {gap} cm between the plants, so that air can pass.", "A gap of {gap} cm stops disease from spreading.",
         "{n} plants in a row need about {gap} cm each."),
        ("They want {light}.", "Choose a place with {light}.", "Without {light} they grow weak."),
        ("Water them {water}, in the morning and at the root.", "Watering {water} is enough.",
         "Give water {water}; feel the soil with a finger first."),
        ("Use {soil} and mix in a spade of compost.", "{soil} is what the roots look for.", "In {soil} they root deeply."),
        ("Against {pest}, remove the affected leaves and keep the plant dry.", "Check for {pest} every few days.",
         "If you see {pest}, act in the first week."),
        ("{friend} beside them keeps the bed healthy.", "A good neighbour is {friend}.",
         "Sow {friend} in between, it saves space."),
    ),
    (
        "Send me the size of your bed and I can draw a plan.",
        "Good luck with the harvest!",
        "A photo of the leaves would help me to be more exact.",
    ),
    ("Set up a calendar for {subject} from the first seed to the last harvest, month by month.",
     "A hailstorm has flattened my {subject}; what is worth saving and what belongs on the compost heap?",
     "Compare raising {subject} in raised beds with raising them in open ground, with one drawback each."),
)  # fmt: skip

ANIMALS = Domain(
    "animals",
    table(
        "subject food times sleep sign play risk",
        """
        kitten | wet kitten food | 4 | a quiet box | flat ears | a feather on a string | lilies
        old dog | soft senior food | 2 | an orthopaedic bed | slow stairs | short scent games | cold floors
        budgie | seed mix and greens | 2 | a covered cage | fluffed feathers | a swing and mirrors | draughts
        rabbit | hay without end | 1 | a roomy hutch | grinding teeth | tunnels of cardboard | iceberg lettuce
        goldfish | sinking flakes | 1 | a filtered tank | gasping at the surface | plants to swim through | tap-water chlorine
        tortoise | wild herbs | 1 | a box of soil | closed eyes | a sunny walk | a cold night
        hamster | grain mix | 1 | deep bedding | a wet tail | a wheel of 28 cm | cotton wool
        puppy | puppy kibble | 3 | a crate with a blanket | endless biting | tug with rules | chocolate
        guinea pig | hay and peppers | 2 | a dry hide | no appetite | low ramps | loneliness
        parrot | pellets and fruit | 2 | a dark, calm room | plucked feathers | puzzle boxes | avocado
        ferret | meat-based food | 3 | a hammock | hair loss | digging boxes | small gaps
        hen | layer pellets | 2 | a high perch | pale comb | a dust bath | foxes
        """,
    ),
    (
        "What should I feed my {subject}, and how often?",
        "I get a {subject} in {month}. What do I have to prepare?",
        "How do I know that my {subject} is ill?",
        "My {subject} seems bored. Which games are safe?",
        "Can a {subject} stay alone for {n} hours?",
        "What is dangerous for a {subject} at home?",
    ),
    (
        "A {subject} needs routine more than toys.",
        "Thank you for caring about your {subject}.",
        "Here are the things that matter for a {subject}.",
        "With a {subject}, small habits go a long way.",
    ),
    (
        ("Feed {food}, {times} times a day.", "{food} is the right base, given {times} times daily.",
         "Split the {food} into {times} meals."),
        ("It sleeps best in {sleep}.", "Prepare {sleep} away from the door.", "Give it {sleep} from the first day."),
        ("Watch out for {sign}: see a vet within {n} days.", "If you notice {sign}, call the vet.",
         "{sign} is an early sign of illness."),
        ("For play, try {play}.", "Ten minutes with {play} in the evening use up its energy.",
         "{play} keeps the mind busy."),
        ("Keep {risk} away.", "The biggest danger at home is {risk}.", "Never forget: {risk} can be deadly."),
        ("Clean water must always be there.", "Change the water every morning.", "Weigh it once a week and note it."),
        ("After {n} days it will know the routine.", "Let it come to you in the first {n} days.",
         "Being alone for {n} hours has to be trained in steps."),
    ),
    (
        "If anything seems urgent, please call a vet rather than wait.",
        "Tell me its age and I can be more exact.",
        "I hope you have a lovely time together!",
    ),
    ("Draft a one-page note for the sitter who looks after our {subject} during a long weekend.",
     "Estimate the yearly effort that keeping a {subject} means for a family, apart from the price.",
     "Which three myths about keeping a {subject} would you like to correct in a newspaper column?"),
)  # fmt: skip

HEALTH = Domain(
    "health",
    table(
        "subject habit dose why doctor avoid food",
        """
        a stiff neck | turn the head slowly to both sides | 3 times a day | muscles need blood | numb fingers | cold draughts | ginger tea
        poor sleep | get up at the same hour | 7 days a week | the inner clock likes rhythm | loud snoring | screens in bed | warm milk
        a dry cough | breathe warm steam | twice a day | moist air calms the throat | blood or fever | smoke | honey
        back pain at the desk | stand up and stretch | every 40 minutes | discs live on movement | a weak leg | soft chairs | enough water
        low energy in winter | walk in daylight | 30 minutes a day | light lifts the mood | weight loss | long naps | oily fish
        a mild headache | drink two glasses of water | at once | thirst is a common cause | a sudden, violent start | bright screens | a banana
        heartburn | eat the last meal early | 3 hours before bed | an empty stomach rests | trouble swallowing | coffee | oatmeal
        tired eyes | look at something far away | every 20 minutes | the lens relaxes | double vision | tiny fonts | carrots
        exam nerves | breathe out longer than in | 5 minutes | the pulse slows down | panic every day | energy drinks | nuts
        a sprained ankle | cool it and put it up | for 20 minutes | swelling goes down | no weight possible | hot baths | pineapple
        dry skin | use a plain cream | after each shower | it locks moisture in | open wounds | hot water | walnuts
        hay fever | wash your hair | every evening | pollen sticks to it | wheezing | open windows at dawn | yoghurt
        sore muscles | move gently | for 15 minutes | blood carries waste away | dark urine | total rest | cherries
        """,
    ),
    (
        "What helps against {subject}?",
        "I have had {subject} for {n} days. Should I see a doctor?",
        "Which daily habits prevent {subject}?",
        "Is there something I should eat or avoid with {subject}?",
        "My mother complains about {subject}. How can I support her?",
        "What can I do about {subject} at work without medicine?",
    ),
    (
        "I am sorry that {subject} troubles you.",
        "There are gentle things to try against {subject}.",
        "Mostly {subject} passes within {n} days.",
        "Thanks for telling me; here is what usually helps.",
    ),
    (
        ("First, {habit}, {dose}, because {why}.", "A simple habit works: {habit}, {dose}.",
         "Try this: {habit}, {dose}; {why}."),
        ("Please avoid {avoid}.", "{avoid} makes it worse.", "Leave out {avoid} for {n} days and compare."),
        ("See a doctor if you notice {doctor}.", "With {doctor} you should not wait: have it checked.",
         "{doctor} is a reason to call your doctor today."),
        ("{food} is a mild helper.", "Many people find that {food} helps a little.", "Add {food} to your day."),
        ("Note for {n} days when it is better or worse.", "Keep a small diary for {n} days.",
         "If nothing changes after {n} days, ask a professional."),
        ("Sleep and water matter more than pills here.", "Be patient; the body needs time.",
         "Raise the effort slowly, not on one day."),
    ),
    (
        "I can't replace a doctor, but I hope this helps.",
        "Get well soon!",
        "If you tell me more about your day, I can suggest a plan.",
    ),
    ("Design a poster for a waiting room that explains {subject} to elderly patients in large letters.",
     "Which questions would a nurse put to somebody who rings up because of {subject}?",
     "Separate folk wisdom from sound advice concerning {subject}, one example of each kind."),
)  # fmt: skip

HOUSE = Domain(
    "house",
    table(
        "subject tool agent first minutes cost danger",
        """
        a blocked sink | a plunger | baking soda and vinegar | empty the trap | 20 | 5 | drain acid on bare skin
        a dripping tap | an adjustable spanner | a new rubber seal | shut the water off | 30 | 4 | a burst pipe
        limescale in the kettle | a soft brush | citric acid | unplug it | 40 | 2 | boiling fumes
        a squeaky door | a dry cloth | silicone spray | lift the hinge pin | 10 | 6 | a falling door
        red wine on a carpet | white paper towels | cold sparkling water | dab, never rub | 15 | 1 | bleach on wool
        a slow bicycle chain | an old toothbrush | chain oil | turn the bike over | 25 | 7 | oil on the brakes
        mould in the bathroom | gloves and a sponge | alcohol of 70 percent | open the window | 35 | 8 | spores in the air
        a hole in the wall | a filling knife | ready-made filler | brush the dust out | 45 | 9 | a hidden cable
        a foggy window | a rubber wiper | dish soap | wipe the frame dry | 12 | 3 | a wet sill
        a broken zip | small pliers | candle wax | close it fully | 10 | 1 | torn fabric
        smelly shoes | crumpled newspaper | baking soda | take the insoles out | 5 | 2 | strong heat
        a wobbly chair | a clamp | wood glue | scrape the old glue off | 60 | 6 | too little drying
        """,
    ),
    (
        "How do I deal with {subject} myself?",
        "What do I need to fix {subject}, and what does it cost?",
        "Is {subject} a job for a professional?",
        "I have {n} hours on {day}. Can I take care of {subject}?",
        "What is the safest way to treat {subject}?",
        "My landlord does nothing about {subject}. What can I try first?",
    ),
    (
        "You can handle {subject} without a professional.",
        "{subject} is annoying, but it takes only about {minutes} minutes.",
        "Good news: this costs around {cost} euros.",
        "Let us go through it step by step.",
    ),
    (
        ("Begin like this: {first}.", "Before anything else, {first}.", "Step one: {first}."),
        ("Use {tool}; nothing else is needed.", "The right tool is {tool}.", "Have {tool} within reach."),
        ("Then apply {agent} and wait {minutes} minutes.", "{agent} does the work in about {minutes} minutes.",
         "Put {agent} on it and leave it alone for {minutes} minutes."),
        ("Be careful with {danger}.", "The one real danger is {danger}.", "Mind {danger}, so work slowly."),
        ("Material costs about {cost} euros.", "Expect to pay {cost} euros in any hardware store.",
         "A professional would ask {n:15} euros, you pay {cost}."),
        ("Repeat it after {n} weeks.", "Check the result after {n} days.", "If it comes back within {n} days, call for help."),
    ),
    (
        "Tell me what you see and I can narrow it down.",
        "You can do it!",
        "Take a photo before you start, so that you can put it together again.",
    ),
    ("List the order of steps against {subject} as a card that one can hang beside the fuse box.",
     "When does {subject} become the landlord's duty, and how would one put that to them kindly?",
     "Rate the difficulty of {subject} between one and ten, and defend the number that you chose."),
)  # fmt: skip

HOME = (COOKING, GARDEN, ANIMALS, HEALTH, HOUSE)
