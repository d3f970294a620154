"""Facts for the demo's text: travel, history, science, planning, letters, work and code."""

# ruff: noqa: E501 (one subject per line keeps the tables readable)

from __future__ import annotations

from sources._demo.tasks import Domain, table

TRAVEL = Domain(
    "travel",
    table(
        "subject country sight1 sight2 dish ride season price",
        """
        Lisbon | Portugal | the Alfama quarter | the tower of Belém | grilled sardines | tram 28 | May | 95
        Kraków | Poland | Wawel castle | the salt mine of Wieliczka | pierogi | the tram | June | 60
        Kyoto | Japan | the Fushimi gates | the bamboo grove | tofu hotpot | the city bus | November | 130
        Zürich | Switzerland | the Lindenhof | the lake promenade | rösti | the blue trams | July | 180
        Marrakesh | Morocco | the Jemaa square | the Majorelle garden | lamb tagine | walking | March | 70
        Edinburgh | Scotland | Arthur's Seat | the castle | cullen skink | the airport tram | August | 120
        Oaxaca | Mexico | Monte Albán | the Benito market | mole negro | shared taxis | October | 55
        Bologna | Italy | the two towers | the long porticoes | tagliatelle | walking | April | 100
        Tallinn | Estonia | the town hall square | Kadriorg park | black bread | trolley lines | June | 75
        Hanoi | Vietnam | Hoan Kiem lake | the old quarter | phở | a motorbike taxi | November | 40
        Porto | Portugal | the Ribeira | Livraria Lello | francesinha | the metro | September | 85
        Seville | Spain | the Alcázar | Plaza de España | gazpacho | rented bikes | April | 90
        Ghent | Belgium | the Gravensteen | the altarpiece | waterzooi | the tram | May | 105
        Valparaíso | Chile | the painted hills | Neruda's house | fish empanadas | the old lifts | January | 65
        """,
    ),
    (
        "Can you plan {n} days in {subject} for me?",
        "What should I see in {subject} with two children?",
        "How much money do I need for {n} days in {subject}?",
        "When is the best time to visit {subject}?",
        "What do people eat in {subject}, and where?",
        "I arrive in {subject} at noon in {month}. How do I get around?",
    ),
    (
        "{subject} is a wonderful choice.",
        "With {n} days you can see {subject} without hurry.",
        "Here is a relaxed plan for {subject}.",
        "{subject} in {country} suits slow travellers.",
    ),
    (
        ("Start at {sight1} early, before the groups arrive.", "Keep the first morning for {sight1}.",
         "See {sight1} right after sunrise."),
        ("In the afternoon visit {sight2}.", "Leave half a day for {sight2}.", "Book {sight2} online, it saves an hour."),
        ("Eat {dish} where local people queue.", "Do try {dish} at least once.", "For dinner, order {dish}."),
        ("For getting around, choose {ride}.", "With {ride} you reach almost everything.",
         "Getting around is easy with {ride}."),
        ("Count on {price} euros a day, so {n} days need {n} times that.", "About {price} euros per day is realistic.",
         "A budget of {price} euros a day covers bed, food and tickets."),
        ("Go in {season}: mild weather and fewer queues.", "{season} is the best month.", "Avoid the peak; {season} is calmer."),
        ("Pack light shoes, for the streets are steep.", "Keep one of the {n} days without a plan.",
         "Most museums close on Mondays, so check first."),
    ),
    ("Have a good trip!", "Tell me your dates and I can refine the plan.", "I can also suggest places to stay."),
    ("Sketch a walk through {subject} for someone in a wheelchair who loves old buildings.",
     "Name the souvenir from {subject} that is worth its weight in the suitcase, and the one that is not.",
     "Describe a rainy Tuesday in {subject} as a diary entry, ending with {dish} for supper."),
)  # fmt: skip

HISTORY = Domain(
    "history",
    table(
        "subject year place cause effect person",
        """
        the first printed Bible | 1455 | Mainz | books were slow to copy | ideas spread cheaply | Johannes Gutenberg
        the fall of Constantinople | 1453 | the Bosporus | walls could not stand cannons | trade looked for new routes | Mehmed II
        the French Revolution | 1789 | Paris | bread was dear and taxes unfair | nobles lost their privileges | the third estate
        the first powered flight | 1903 | Kitty Hawk | light engines had become possible | aviation grew in a decade | the Wright brothers
        the fall of the Berlin Wall | 1989 | Berlin | people demanded free travel | Germany was united a year later | the people of Leipzig
        the moon landing | 1969 | the Sea of Tranquility | two powers were racing | millions watched on television | Neil Armstrong
        the opening of the Suez Canal | 1869 | Egypt | ships had to sail round Africa | the way to India was halved | Ferdinand de Lesseps
        the Black Death | 1348 | Europe's ports | fleas travelled on ships | wages rose afterwards | unnamed sailors
        the discovery of penicillin | 1928 | London | a dish was left open | infections became curable | Alexander Fleming
        the Great Fire of London | 1666 | Pudding Lane | wooden houses stood close | the city was rebuilt in stone | Christopher Wren
        the Meiji reform | 1868 | Japan | foreign ships forced the ports | factories and schools were founded | the young emperor
        the signing of Magna Carta | 1215 | Runnymede | barons were tired of taxes | kings were bound by law | King John
        the eruption of Krakatoa | 1883 | the Sunda Strait | pressure under the crater | sunsets turned red worldwide | island fishermen
        """,
    ),
    (
        "What led to {subject}?",
        "Explain {subject} to a class of {n:10} pupils.",
        "When and where was {subject}, and who mattered most?",
        "What changed after {subject}?",
        "Give me {n} facts about {subject}.",
        "Why do people still talk about {subject}?",
    ),
    (
        "{subject} is a turning point worth knowing.",
        "In short: {subject} happened in {year}.",
        "Let me put {subject} into its time.",
        "A good question about {subject}.",
    ),
    (
        ("It took place in {year} at {place}.", "The year was {year}, the place {place}.", "Look at {place} in {year}."),
        ("The deeper cause: {cause}.", "It came about because {cause}.", "Behind it stood a plain fact: {cause}."),
        ("As a result, {effect}.", "The lasting effect is that {effect}.", "Within years, {effect}."),
        ("The name to remember is {person}.", "{person} played the main part.", "Much depended on {person}."),
        ("Sources from {year} differ in details, but agree on this.", "Letters of the time describe it vividly.",
         "Historians still argue about the order of events."),
        ("Compare it with what came before {year}.", "Without it the next century would look different.",
         "It shows how small causes add up."),
    ),
    (
        "Shall I recommend a book about it?",
        "I can also make a timeline if that helps your lesson.",
        "Ask me about any of these points.",
    ),
    ("Retell {subject} as a news report that could have been printed on the following morning.",
     "Imagine that {subject} had not come about: which two developments would be missing today?",
     "Formulate a quiz question on {subject} with one right and three plausible wrong answers."),
)  # fmt: skip

SCIENCE = Domain(
    "science",
    table(
        "subject because picture number test use",
        """
        a blue sky | air scatters short waves more strongly | a sieve that lets red light pass | 450 nanometres | look at the sky near the horizon | sunsets
        rainbows | drops bend and mirror light | a prism in every drop | 42 degrees | stand with your back to the sun | optics
        tides | the moon pulls the near water harder | a stretched ball | 12 hours and 25 minutes | read a tide table for a week | harbours
        rust | iron reacts with water and oxygen | a slow fire | 3 ingredients | put a nail in salt water | paint and zinc
        yeast dough | yeast turns sugar into gas | thousands of small balloons | 30 degrees | mark the height on the bowl | bread
        thunder | lightning heats the air in an instant | a tiny explosion | 340 metres per second | count seconds after the flash | storm warnings
        magnets | many small spins point one way | a marching crowd | 2 poles | lay a compass beside it | motors
        vaccines | the body keeps a memory of a harmless copy | a rehearsal | 14 days | compare infection rates | prevention
        photosynthesis | leaves turn light, water and air into sugar | a solar kitchen | 6 molecules of water | cover a leaf with foil | food chains
        seasons | the axis of the earth is tilted | a lamp on a leaning globe | 23.4 degrees | measure the noon shadow | farming
        echoes | sound bounces off hard walls | a ball against a wall | 17 metres | clap in front of a barn | sonar
        floating ships | they push away their own weight of water | a bowl in the bath | 1 gram per millilitre | weigh the water that runs over | shipbuilding
        static electricity | rubbing moves electrons | dust on a comb | 10,000 volts | rub a balloon on wool | copiers
        """,
    ),
    (
        "What is behind {subject}? I mean the physics or biology of it.",
        "Can you explain {subject} to a child of {n} years?",
        "Which simple experiment shows {subject}?",
        "What do we use the science of {subject} for?",
        "Give me an everyday picture for {subject}.",
        "I read that {subject} and {number} belong together. Is that true?",
    ),
    (
        "Think of {subject} as {picture}.",
        "The key to {subject} is simple: {because}.",
        "Great question about {subject}.",
        "Here is an explanation of {subject} without formulas.",
    ),
    (
        ("The reason is that {because}.", "It happens because {because}.", "In one sentence: {because}."),
        ("Imagine {picture}.", "A helpful image is {picture}.", "You can compare it with {picture}."),
        ("The number to keep in mind is {number}.", "Measured, it comes to {number}.", "Scientists give {number}."),
        ("You can check it yourself: {test}.", "Try this at home: {test}.", "An easy test: {test}."),
        ("We use it for {use}.", "It matters for {use}.", "Without it there would be no {use}."),
        ("The effect is stronger in dry, clear weather.", "Temperature changes the result a little.",
         "Repeat the test {n} times and take the mean."),
    ),
    (
        "Would you like the formula as well?",
        "I can suggest {n} more experiments.",
        "Please ask if one of the steps is unclear.",
    ),
    ("Correct the widespread misunderstanding of {subject} that school books keep repeating.",
     "Sort the causes involved in {subject} by weight, and say how one could measure each of them.",
     "Invent a museum exhibit about {subject} that visitors may touch, with a label of forty words."),
)  # fmt: skip

PLANS = Domain(
    "planning",
    table(
        "subject step1 step2 step3 amount trap help",
        """
        running 10 km | walk and jog in turns | add one kilometre a week | rest before the race | 3 runs a week | starting too fast | a running partner
        learning Spanish | learn 20 words a day | speak from the first week | read short stories | 25 minutes a day | only using an app | a tandem partner
        moving house | list every box | cancel the old contracts | pack the kitchen last | 40 boxes | no help on the day | a rented van
        saving money | write down each expense | move savings on payday | cancel one subscription | 10 percent of the income | dipping into savings | a second account
        writing a thesis | fix one question | write every morning | revise backwards | 500 words a day | reading without end | a supervisor's note
        a children's party | invite by letter | plan three games | keep food simple | 2 hours | too many guests | an older cousin
        a vegetable diet | replace meat twice a week | cook beans ahead | check iron | 30 plants a week | only cheese | a friend who cooks
        a small web shop | choose one product | take honest photos | test the payment | 5 test orders | hidden shipping costs | a patient tester
        quitting sugar | empty the cupboard | drink water first | sleep enough | 14 days | sweet drinks | a fruit bowl
        a book club | pick short books | meet monthly | take turns asking | 6 members | too much homework | the library
        learning the guitar | tune each day | change chords slowly | play with a song | 15 minutes a day | sore fingers | a metronome
        a winter bike tour | lower the saddle | dress in layers | carry a tube | 35 kilometres | ice in the shade | a warm café
        """,
    ),
    (
        "Help me with {subject} in {n} weeks.",
        "What is the first step towards {subject}?",
        "I failed at {subject} twice. What should I change?",
        "Can you make a checklist for {subject}?",
        "How much time does {subject} need if I work full time?",
        "Who or what could support me with {subject}?",
    ),
    (
        "{subject} works best in small steps.",
        "{n} weeks are realistic for {subject}.",
        "Well done for deciding on {subject}.",
        "Here is a plan that you can adapt.",
    ),
    (
        ("Week 1: {step1}.", "Begin with one thing: {step1}.", "First, {step1}."),
        ("Then {step2}.", "In the second week, {step2}.", "As soon as that feels easy, {step2}."),
        ("Towards the end, {step3}.", "In week {n}, {step3}.", "Finally, {step3}."),
        ("Plan for {amount}.", "A good measure is {amount}.", "Hold on to {amount}, even on bad days."),
        ("The usual trap is {trap}.", "Beware of {trap}.", "Most people stop because of {trap}."),
        ("Get support: {help} makes a difference.", "{help} helps more than willpower.", "Ask for {help} early."),
        ("Look back every Sunday and change one thing.", "Mark each done day in a calendar.",
         "After {n} weeks, celebrate and decide how to go on."),
    ),
    (
        "Tell me your free evenings and I will fit it in.",
        "You have {n} weeks, and that is enough.",
        "I believe that you can do it.",
    ),
    ("Turn {subject} into a contract with oneself: three promises, one penalty and a signature line.",
     "Argue against {subject} first and for it afterwards, giving each side the same room.",
     "At which point should one give up {subject}, and how does one notice that the point has come?"),
)  # fmt: skip

WORK = Domain(
    "work",
    table(
        "subject goal phrase proof time slip",
        """
        a pay rise | name a number with reasons | "I would like to talk about my pay" | three finished projects | a calm week | comparing yourself with others
        a job interview | show how you solve problems | "Let me give an example" | one story per skill | the day before | speaking badly of an old boss
        a complaint from a customer | calm first, then solve | "Thank you for telling us" | the order number | within 24 hours | blaming the customer
        a long meeting | leave with decisions | "What do we decide today?" | a list of 3 points | the first 5 minutes | talks without an agenda
        feedback to a colleague | describe, do not judge | "I noticed that" | a recent example | in private | sarcasm
        a talk before 50 people | one message | "If you remember one thing" | a short story | 18 minutes | reading the slides
        a late project | tell it early | "We are five days behind" | a new timetable | today | hiding the delay
        a first day as team leader | listen to everyone | "What should stay as it is?" | notes of each talk | the first 2 weeks | changing all at once
        a resignation letter | stay polite and brief | "I am leaving on good terms" | the last working day | 4 weeks before | settling scores
        an email to a professor | ask one clear question | "I have read the course page" | your matriculation number | on a weekday | a missing subject line
        a letter of apology | own the mistake | "I am sorry for the delay" | what you will change | as soon as possible | excuses
        a request for holidays | offer cover | "Mira can take my calls" | the exact dates | 6 weeks before | asking on the last day
        """,
    ),
    (
        "How do I prepare for {subject}?",
        "Write a short text that helps me with {subject}.",
        "Which sentence opens {subject} well?",
        "What should I never do with {subject}?",
        "I am nervous about {subject} in {n} days. Any advice?",
        "What is a good time and place for {subject}?",
    ),
    (
        "{subject} goes better with a plan.",
        "It is normal to feel nervous about {subject}.",
        "Here is what works for {subject}.",
        "You have {n} days, which is plenty.",
    ),
    (
        ("Your goal: {goal}.", "Keep one goal in mind: {goal}.", "Above all, {goal}."),
        ("You could open with {phrase}.", "A good first sentence is {phrase}.", "Try the words {phrase}."),
        ("Bring {proof}.", "Have {proof} ready.", "{proof} convinces more than adjectives."),
        ("As for the time: {time}.", "Timing matters: {time}.", "When? The answer is {time}."),
        ("Avoid {slip}.", "The classic mistake is {slip}.", "{slip} spoils everything."),
        ("Practise aloud {n} times.", "Write it down and cut it by half.", "Sleep on it and read it once more."),
    ),
    (
        "Send me a draft and I will polish it.",
        "Good luck, you are well prepared.",
        "Shall I write an example for you?",
    ),
    ("Stage {subject} as a short dialogue between two people who would both like to save face.",
     "Summarise for a handbook what distinguishes a poor from an excellent handling of {subject}.",
     "Translate the usual advice on {subject} into rules for a team that works from three continents."),
)  # fmt: skip

WORLD = (TRAVEL, HISTORY, SCIENCE, PLANS, WORK)
